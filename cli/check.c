int cmd_check(int argc, char **argv);
int cmd_check(int argc, char **argv) { (void)argc;(void)argv; return 0; }
