/*
 * Prints, as struct sock_filter records, the filter that libseccomp generates with its binary tree optimisation.
 * Reads a line protocol from stdin; numbers as strtoull takes them, ACTION is a SECCOMP_RET_... word:
 *
 *   architecture x86_64|aarch64
 *   default ACTION
 *   optimize 1|2                                    (1: by priority, linear; 2: binary tree, the default here)
 *   as-runtimes                                     (add rules as crun and runc do, for which each error is fatal)
 *   rule ACTION NAME [INDEX OPERATOR A B]...        (operators: ne lt le eq ge gt masked_eq)
 *
 * A rule whose action is the default is skipped, as runc does (libseccomp refuses it). The name of a call that this
 * libseccomp does not know is printed on stderr, a line each, and its rule is skipped.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static scmp_filter_ctx context;
static uint32_t default_action;
static uint32_t architecture = SCMP_ARCH_X86_64;
static unsigned optimize = 2;
static int as_runtimes;
static unsigned long line_number;

static void die(const char *what, int error) {
  fprintf(stderr, "libseccomp_export: line %lu: %s: %s\n", line_number, what, strerror(error));
  exit(1);
}

static void start(void) {
  int error;

  if (context) return;
  context = seccomp_init(default_action);
  if (!context) die("seccomp_init", EINVAL);
  if (architecture != seccomp_arch_native()) {
    error = seccomp_arch_remove(context, SCMP_ARCH_NATIVE);
    if (!error) error = seccomp_arch_add(context, architecture);
    if (error) die("seccomp_arch_add", -error);
  }
  error = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, optimize);
  if (error) die("seccomp_attr_set", -error);
}

static enum scmp_compare operator_by_name(const char *name) {
  static const struct {
    const char *name;
    enum scmp_compare operator;
  } operators[] = {
      {"ne", SCMP_CMP_NE},
      {"lt", SCMP_CMP_LT},
      {"le", SCMP_CMP_LE},
      {"eq", SCMP_CMP_EQ},
      {"ge", SCMP_CMP_GE},
      {"gt", SCMP_CMP_GT},
      {"masked_eq", SCMP_CMP_MASKED_EQ},
  };

  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
    if (!strcmp(name, operators[i].name)) return operators[i].operator;
  die(name, EINVAL);
  return SCMP_CMP_EQ;
}

/* The next word of the line, which must have one. */
static char *word_after(const char *what) {
  char *word = strtok(NULL, " \n");

  if (!word) die(what, EINVAL);
  return word;
}

static void rule(void) {
  struct scmp_arg_cmp comparisons[6];
  unsigned count = 0;
  uint32_t action = strtoul(word_after("rule"), NULL, 0);
  const char *name = word_after("rule");
  int number = seccomp_syscall_resolve_name(name), error;
  char *index;

  start();
  if (number == __NR_SCMP_ERROR) {
    fprintf(stderr, "%s\n", name);
    return;
  }
  while ((index = strtok(NULL, " \n")) && count < 6) {
    char *operator = word_after("rule"), *a = word_after("rule"), *b = word_after("rule");

    comparisons[count].arg = strtoul(index, NULL, 0);
    comparisons[count].op = operator_by_name(operator);
    comparisons[count].datum_a = strtoull(a, NULL, 0);
    comparisons[count].datum_b = strtoull(b, NULL, 0);
    count++;
  }
  if (action == default_action) return;
  if (as_runtimes) {
    error = seccomp_rule_add_array(context, action, number, count, comparisons);
    if (error) die("seccomp_rule_add_array", -error);
    return;
  }
  error = seccomp_rule_add_exact_array(context, action, number, count, comparisons);
  /* EEXIST: a wider rule exists, or this rule replaces a narrower one. */
  if (error && error != -EEXIST) die("seccomp_rule_add_exact_array", -error);
}

int main(void) {
  char line[4096];
  int error;

  while (fgets(line, sizeof line, stdin)) {
    char *word;

    line_number++;
    word = strtok(line, " \n");
    if (!word) continue;
    if (!strcmp(word, "architecture")) architecture = seccomp_arch_resolve_name(word_after(word));
    else if (!strcmp(word, "default")) default_action = strtoul(word_after(word), NULL, 0);
    else if (!strcmp(word, "optimize")) optimize = strtoul(word_after(word), NULL, 0);
    else if (!strcmp(word, "as-runtimes")) as_runtimes = 1;
    else if (!strcmp(word, "rule")) rule();
    else die(word, EINVAL);
  }
  start();
  error = seccomp_export_bpf(context, STDOUT_FILENO);
  if (error) die("seccomp_export_bpf", -error);
  return 0;
}
