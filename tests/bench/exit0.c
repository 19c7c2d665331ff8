// SPDX-License-Identifier: Apache-2.0
/*
 * The smallest process there is: it ends with status 0. Built with -nostdlib -static, so that a
 * loop that runs it measures fork, exec and exit, and no dynamic linker.
 */
__attribute__((noreturn)) void _start(void);

void _start(void)
{
	for (;;) {
#if defined(__x86_64__)
		__asm__ volatile("syscall" : : "a"(231L), "D"(0L) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
		register long number __asm__("x8") = 94;
		register long status __asm__("x0") = 0;

		__asm__ volatile("svc #0" : : "r"(number), "r"(status) : "memory");
#else
#error "exit0: unknown architecture; x86_64 and arm64 are known"
#endif
	}
}
