// SPDX-License-Identifier: MIT
/* Reads a bundle, resolves its open parameters, installs its filters and executes the command. */
#include "in_place.h"

#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/stat.h>

#include "bundle.h"
#include "confine.h"
#include "domain.h"
#include "kernel.h"
#include "mounts.h"
#include "namespaces.h"
#include "orders.h"
#include "parameters.h"
#include "print.h"
#include "restrictions.h"
#include "search.h"

/* ── Error messages ──────────────────────────────────────────────────────────────────────────────────────────────── */

static const char *help_for(const struct fault *fault) {
  int is_forbidden = fault->error == -EPERM || fault->error == -EACCES;
  switch (fault->stage) {
    case LOAD_PROGRAM:
    case MAKE_MAPS:
    case ATTACH:
      if (is_forbidden) return "this requires CAP_BPF, or kernel.seccomp.ebpf=3 and kernel.unprivileged_bpf_disabled=0";
      if (fault->error == -EINVAL && fault->log == NULL)
        return "the kernel must have BPF_PROG_TYPE_SECCOMP (kernel/README.md) and kernel.seccomp.ebpf not 0";
      return NULL;
    case FIND_FUNCTIONS:
      return "the kernel must have BPF_PROG_TYPE_SECCOMP (kernel/README.md), and its BTF in /sys/kernel/btf";
    case PROTECT_PROC:
      return "this requires Landlock, since Linux 5.19; with --best-effort the command can write them";
    default:
      return NULL;
  }
}

/* The last line before the verifier's statistics contains the error. */
static void print_verifier_error(const char *log) {
  const char *last = log, *line = log;
  size_t last_length = 0;
  while (*line != 0) {
    size_t length = 0;
    while (line[length] != 0 && line[length] != '\n') length++;
    if (length > 0 && memcmp(line, "processed", 9 < length ? 9 : length) != 0) {
      last = line;
      last_length = length;
    }
    line += length + (line[length] != 0);
  }
  write_all(2, last, last_length);
}

static const char *const failures[] = {
    [CONFIGURE] = "the configuration cannot be read",
    [NO_NEW_PRIVILEGES] = "no_new_privs cannot be set",
    [INSTALL] = "the kernel refuses the classic filter",
    [READ_BUNDLE] = "the bundle cannot be used",
    [CAPABILITIES] = "capabilities cannot be changed",
    [MAKE_MAPS] = "a map cannot be created",
    [FIND_FUNCTIONS] = "the kernel lacks a function that the program calls",
    [LOAD_PROGRAM] = "the kernel refuses the program",
    [ATTACH] = "the kernel refuses the extended filter",
    [PROTECT_PROC] = "files of proc file systems cannot be made read-only",
    [ENTER_MOUNTS] = "the policy's files cannot be protected",
    [RESTRICT_OBJECTS] = "the policy's files, ports and scopes cannot be restricted",
};

static void print_fault(const char *about, const struct fault *fault) {
  print_text(about);
  print(": ");
  print(failures[fault->stage]);
  if (fault->what != NULL) {
    print(": ");
    print_text(fault->what);
  }
  if (fault->error != 0) {
    print(" (");
    print_error(fault->error);
    print(")");
  }
  if (fault->log != NULL) {
    print(": ");
    print_verifier_error(fault->log);
  }
}

static void die_with_fault(const char *about, const struct fault *fault) __attribute__((noreturn));
static void die_with_fault(const char *about, const struct fault *fault) {
  print("portcullis: ");
  print_fault(about, fault);
  print("\n");
  const char *help = help_for(fault);
  if (help != NULL) {
    print("  help: ");
    print(help);
    print("\n");
  }
  exit_process(FAILED);
}

/* ── Parameters ──────────────────────────────────────────────────────────────────────────────────────────────────── */

static void print_integer(const struct parameter_entry *parameter, uint64_t word) {
  char digits[24], *at = digits + sizeof digits - 1;
  int is_negative = parameter->kind == SIGNED_PARAMETER && (int64_t)word < 0;
  *at = 0;
  if (is_negative) word = -word;
  do *--at = (char)('0' + word % 10);
  while ((word /= 10) > 0);
  if (is_negative) *--at = '-';
  print(at);
}

static void print_values(const struct parameter_entry *parameter) {
  if (parameter->kind == FLAG_PARAMETER) {
    print("true or false");
    return;
  }
  print("an integer from ");
  print_integer(parameter, word_of(parameter->from));
  print(" to ");
  print_integer(parameter, word_of(parameter->to));
}

static void print_open(const struct bundle *bundle) {
  const struct parameter_entry *parameters = section_of(bundle, PARAMETERS);
  uint32_t count = count_of(bundle, PARAMETERS);
  print(count == 0 ? "the bundle has no open parameters: leave out --set" : "open parameters: ");
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) print(", ");
    print_text(string_at(bundle, parameters[i].name));
  }
}

static void die_with_setting(const char *about, const struct bundle *bundle, const struct settings *settings,
                             enum setting_fault fault) __attribute__((noreturn));
static void die_with_setting(const char *about, const struct bundle *bundle, const struct settings *settings,
                             enum setting_fault fault) {
  const struct parameter_entry *parameter =
      (const struct parameter_entry *)section_of(bundle, PARAMETERS) + settings->parameter;
  const char *given = settings->wrong < settings->count ? settings->given[settings->wrong] : "";
  size_t length = name_length(given);
  print("portcullis: ");
  print_text(about);
  print(": ");
  switch (fault) {
    case SETTING_MALFORMED:
      print("--set ");
      print_text(given);
      print(" has no NAME=VALUE\n  help: --set NAME=VALUE");
      break;
    case SETTING_TWICE:
      print("the parameter ");
      print_bytes(given, length);
      print(" is set twice");
      break;
    case SETTING_UNKNOWN:
      print("the bundle has no parameter ");
      print_bytes(given, length);
      print("\n  help: ");
      print_open(bundle);
      break;
    case SETTING_FIXED: {
      const char *value = fixed_value(bundle, given, length);
      size_t end = 0;
      while (value[end] != 0 && value[end] != '\n') end++;
      print("the parameter ");
      print_bytes(given, length);
      print(" is fixed in this bundle: it is ");
      print_bytes(value, end);
      print("\n  help: compile the policy again: portcullis compile -p ");
      print_text(string_at(bundle, policy_of(bundle)->name));
      print(".ts --set ");
      print_bytes(given, length);
      print("=... -o FILE.pcl");
      break;
    }
    case SETTING_IMPOSSIBLE:
      print("the parameter ");
      print_bytes(given, length);
      print(" must be ");
      print_values(parameter);
      print(", not ");
      print_text(given + length + 1);
      break;
    default:
      print("the parameter ");
      print_text(string_at(bundle, parameter->name));
      print(" has no default, and is not given\n  help: --set ");
      print_text(string_at(bundle, parameter->name));
      print("=..., ");
      print_values(parameter);
  }
  print("\n");
  exit_process(FAILED);
}

static const char *require_command(const char *name, char **environment) {
  const char *file;
  long result = find_command(name, environment, &file);
  switch (result) {
    case 0:
      return file;
    case -EACCES:
    case -EISDIR:
      die(CANNOT_RUN, name, result == -EISDIR ? "is a directory" : "permission denied", NULL);
    default:
      die(NOT_FOUND, name, file == name ? "no such file" : "command not found", NULL);
  }
}

/* ── Execution ───────────────────────────────────────────────────────────────────────────────────────────────────── */

struct plan {
  const char *about; /* the bundle's name, for messages */
  const char *file;
  char **argv;
  char **environment;
  const struct inheritance *inheritance;
  int best_effort;
  struct settings settings;
  /* With has_words, settings.words already has this number of parameter words, and no settings are read. */
  int has_words;
  uint32_t words;
};

/* Uses the classic program alone. */
static void use_classic(const struct plan *plan, struct bundle *bundle, struct confinement *confinement) {
  confinement->extended = NULL;
  struct fault fault = {0};
  if (draw_token(bundle, confinement->token, &fault) < 0) die_with_fault(plan->about, &fault);
}

/* The extended program cannot be loaded: with --best-effort the classic program is used instead. */
static void fall_back(const struct plan *plan, struct bundle *bundle, struct confinement *confinement,
                      struct fault *fault) {
  if (!plan->best_effort || count_of(bundle, CLASSIC) == 0) die_with_fault(plan->about, fault);
  use_classic(plan, bundle, confinement);
  print(
      "portcullis: BEST EFFORT: only the policy's static part is enforced, the weakest verdict that any state could "
      "give: ");
  print_fault(plan->about, fault);
  print("\n");
}

/* Makes what the command's tree is restricted by, or exits. With mounts, this process is in their namespace then. */
static void restrict_tree(const struct plan *plan, const struct bundle *bundle, struct restrictions *restrictions) {
  struct namespaces namespaces;
  struct fault fault = {.stage = ENTER_MOUNTS};
  *restrictions = (struct restrictions){.bytes = section_of(bundle, OBJECTS),
                                        .size = count_of(bundle, OBJECTS),
                                        .flags = plan->best_effort ? BEST_EFFORT : 0,
                                        .reads_proc = (policy_of(bundle)->traits & PROC_IS_READ_ONLY) != 0};
  if (need_mounts(restrictions->bytes, restrictions->size)) {
    fault.error = make_user_namespace(&namespaces, &fault.what);
    const int may_lack = plan->best_effort && can_lack_mounts(restrictions->bytes, restrictions->size);
    if (fault.error < 0 && !may_lack) die_with_fault(plan->about, &fault);
    if (fault.error < 0) {
      print_best_effort(FILES_ARE_NOT_PROTECTED, fault.what, fault.error);
    } else {
      fault.error = enter_namespaces(&namespaces);
      if (fault.error == 0) fault.error = enter_mounts(restrictions->bytes, restrictions->size, &fault.what);
      if (fault.error < 0) die_with_fault(plan->about, &fault);
    }
  }
  if (make_restrictions(restrictions, &fault) < 0) die_with_fault(plan->about, &fault);
}

static void enter(const struct plan *plan, const struct restrictions *restrictions) {
  struct fault fault = {.stage = NO_NEW_PRIVILEGES};
  if (restrictions->domain < 0 && restrictions->layers.count == 0) return;
  fault.error = CALL(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (fault.error < 0) die_with_fault(plan->about, &fault);
  fault.stage = PROTECT_PROC;
  fault.error = restrictions->domain < 0 ? 0 : enter_domain(restrictions->domain, restrictions->of_domain, &fault.what);
  if (fault.error < 0) die_with_fault(plan->about, &fault);
  fault.stage = RESTRICT_OBJECTS;
  fault.error = enter_layers(&restrictions->layers, 0, &fault.what);
  if (fault.error < 0) die_with_fault(plan->about, &fault);
}

/* Sets the values of open parameters, or exits. */
static void resolve_parameters(struct plan *plan, const struct bundle *bundle) {
  if (!plan->has_words) {
    enum setting_fault wrong = read_settings(bundle, &plan->settings);
    if (wrong != SETTINGS_GOOD) die_with_setting(plan->about, bundle, &plan->settings, wrong);
    return;
  }
  if (!are_possible(bundle, plan->settings.words, plan->words))
    die(FAILED, plan->about, "an open parameter cannot have this value", NULL);
}

/* Reads the bundle and loads its program, or exits. */
static void prepare(struct plan *plan, unsigned char *bytes, size_t size, struct bundle *bundle,
                    struct confinement *confinement) {
  static struct extended extended;
  struct fault fault = {0};
  fault.what = read_bundle(bundle, bytes, size);
  if (fault.what != NULL) {
    fault.stage = READ_BUNDLE;
    die_with_fault(plan->about, &fault);
  }
  resolve_parameters(plan, bundle);
  *confinement = (struct confinement){section_of(bundle, CLASSIC), count_of(bundle, CLASSIC), &extended, {0, 0}};
  /* No process reads events here, so an extended filter that only emits events is not installed. */
  if ((policy_of(bundle)->traits & ENTIRELY_CLASSIC) != 0) use_classic(plan, bundle, confinement);
  else if (load_extended(&extended, bundle, plan->settings.words, &fault) < 0)
    fall_back(plan, bundle, confinement, &fault);
  else memcpy(confinement->token, extended.token, sizeof extended.token);
}

static void execute_in_place(struct plan *plan, unsigned char *bytes, size_t size) __attribute__((noreturn));
static void execute_in_place(struct plan *plan, unsigned char *bytes, size_t size) {
  struct bundle bundle;
  struct confinement confinement;
  prepare(plan, bytes, size, &bundle, &confinement);
  struct restrictions restrictions;
  restrict_tree(plan, &bundle, &restrictions);
  restore_inheritance(plan->inheritance);
  enter(plan, &restrictions);
  struct fault last = {0};
  last.error = confine(&confinement, &last.stage);
  if (last.error < 0) die_with_fault(plan->about, &last);
  long result = execute(plan->file, plan->argv, plan->environment, confinement.token);
  /* The policy judges the write of this message and may deny it. */
  die(result == -ENOENT ? NOT_FOUND : CANNOT_RUN, plan->file,
      result == -ENOENT ? "no such file, or its interpreter is missing" : "cannot be run", NULL);
}

static const char usage[] =
    "usage: launcher run [--best-effort] [--set NAME=VALUE]... BUNDLE [--] COMMAND [ARGUMENT...]\n"
    "\n"
    "Installs the policy of a bundle (portcullis compile -o policy.pcl) and executes the command in this process. If "
    "the\n"
    "kernel cannot enforce the whole policy, no command is run; with --best-effort the command runs with the policy's\n"
    "static part and a message says so. --set sets an open parameter of the bundle for this start; the others have "
    "their\n"
    "defaults (portcullis disasm policy.pcl lists them).\n"
    "\n"
    "exit status: that of the command; 125: portcullis failed and ran no command; 126: the command cannot be run;\n"
    "127: the command was not found\n";

/* The value of --set, in the same word or in the next, to which `words` advances. NULL: the word is not --set. */
static char *setting_in(char ***words) {
  static const char option[] = "--set";
  enum { LENGTH = sizeof option - 1 };
  char *word = **words;
  if (string_length(word) < LENGTH || memcmp(word, option, LENGTH) != 0) return NULL;
  if (word[LENGTH] == '=') return word + LENGTH + 1;
  if (word[LENGTH] != 0) return NULL;
  if ((*words)[1] == NULL) die(FAILED, NULL, "--set has no value", "--set NAME=VALUE");
  return *++*words;
}

/* Reads the file of a bundle, or exits. */
static unsigned char *read_file(const char *path, size_t *size) {
  struct statx status;
  struct fault fault = {.stage = READ_BUNDLE};
  long file = CALL(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  if (file < 0) fault.error = file;
  else fault.error = CALL(__NR_statx, file, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status);
  if (fault.error < 0) die_with_fault(path, &fault);
  fault.what = (status.stx_mode & S_IFMT) != S_IFREG ? "not a regular file"
               : status.stx_size > MAX_BUNDLE_SIZE   ? "larger than the format allows"
                                                     : NULL;
  if (fault.what != NULL) die_with_fault(path, &fault);
  unsigned char *bytes = allocate(status.stx_size + 1);
  fault.error = bytes == NULL ? -ENOMEM : read_all((int)file, bytes, status.stx_size);
  if (fault.error < 0) die_with_fault(path, &fault);
  CALL(__NR_close, file);
  *size = status.stx_size;
  return bytes;
}

void run_bundle(char **words, char **environment, const struct inheritance *inheritance) {
  static char *given[MAX_PARAMETERS];
  struct plan plan = {.environment = environment, .inheritance = inheritance, .settings = {.given = given}};
  for (; *words != NULL && (*words)[0] == '-'; words++) {
    if (strings_equal(*words, "--help") || strings_equal(*words, "-h")) {
      write_all(1, usage, sizeof usage - 1);
      exit_process(0);
    }
    char *setting = setting_in(&words);
    if (setting != NULL) {
      if (plan.settings.count == MAX_PARAMETERS)
        die(FAILED, setting, "too many --set options: a bundle has at most 64 parameters", "launcher run --help");
      given[plan.settings.count++] = setting;
      continue;
    }
    if (!strings_equal(*words, "--best-effort")) die(FAILED, *words, "unknown option", "launcher run --help");
    plan.best_effort = 1;
  }
  plan.about = *words;
  if (*words == NULL) die(FAILED, NULL, "the bundle is missing", "launcher run --help");
  words++;
  if (*words != NULL && strings_equal(*words, "--")) words++;
  if (*words == NULL) die(FAILED, NULL, "the command is missing", "launcher run --help");
  plan.argv = words;

  size_t size;
  unsigned char *bytes = read_file(plan.about, &size);
  plan.file = require_command(words[0], environment);
  execute_in_place(&plan, bytes, size);
}

void become(char **argv, char **environment, const struct inheritance *inheritance, struct orders *orders) {
  struct plan plan = {
      .about = "the policy", .argv = argv, .environment = environment, .inheritance = inheritance, .has_words = 1};
  plan.best_effort = (orders->header.flags & BEST_EFFORT) != 0;
  plan.words = orders->header.fallback_length;
  memcpy(plan.settings.words, orders->parameters, sizeof orders->parameters);
  plan.file = require_command(argv[0], environment);
  execute_in_place(&plan, orders->bundle, orders->header.filter_length);
}

void load_bundle(const char *path, struct confinement *confinement) {
  struct bundle bundle;
  struct plan plan = {.about = path};
  size_t size;
  unsigned char *bytes = read_file(path, &size);
  prepare(&plan, bytes, size, &bundle, confinement);
  if (count_of(&bundle, OBJECTS) > 0 || (policy_of(&bundle)->traits & PROC_IS_READ_ONLY) != 0)
    die(FAILED, path, "the policy restricts files, ports, scopes or proc file systems, which needs Landlock",
        "no process can enter a domain of Landlock for another: leave out `files`, `tcp`, `udp`, `scope` and "
        "`readOnlyProc`");
}
