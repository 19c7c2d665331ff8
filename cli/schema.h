/* SPDX-License-Identifier: Apache-2.0 */
/* `tapio schema`: the published events, as text, JSON Schema or Markdown. */
#ifndef CLI_SCHEMA_H
#define CLI_SCHEMA_H

/* argv[0] is "schema". Returns the exit status: 0, 1 if the output could not be written, 2 for wrong usage. */
int cmd_schema(int argc, char **argv);

#endif
