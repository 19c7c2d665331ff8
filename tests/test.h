/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test program's frame. A test is a function that registers itself:
 *
 *	TEST(unit, buf_refuses_past_max)
 *	{
 *		CHECK(b.refused, "refused not set at %zu bytes", b.length);
 *	}
 *
 * Each test runs in a process of its own with a time limit; a crash is a failure of that test
 * alone. Groups are the folders: unit, live, fuzz. SKIP is for what this kernel was probed to
 * lack, with the reason, and for nothing else.
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <stdbool.h>

struct test {
	const char *group;
	const char *name;
	void (*run)(void);
};

void test_failed(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Ends the running test if a CHECK of it has failed: for what cannot go on. */
void test_stop_if_failed(void);
/* More time than the default 60 s for the running test. Emulated guests get a multiple. */
void test_allow_seconds(unsigned seconds);

#define TEST(group_, name_)                                                                        \
	static void test_##group_##_##name_(void);                                                 \
	static const struct test test_##group_##_##name_##_entry = { #group_, #name_,              \
								     test_##group_##_##name_ };    \
	static const struct test *const test_##group_##_##name_##_ref                              \
		__attribute__((used, section("tapio_tests"))) = &test_##group_##_##name_##_entry;  \
	static void test_##group_##_##name_(void)

#define CHECK(cond, ...)                                                                           \
	do {                                                                                       \
		if (!(cond))                                                                       \
			test_failed(__FILE__, __LINE__, __VA_ARGS__);                              \
	} while (0)

/* As CHECK, and ends the test if any check of it has failed so far. */
#define REQUIRE(cond, ...)                                                                         \
	do {                                                                                       \
		CHECK(cond, __VA_ARGS__);                                                          \
		test_stop_if_failed();                                                             \
	} while (0)

#define SKIP(...) test_skip(__VA_ARGS__)

#endif
