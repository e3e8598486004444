// SPDX-License-Identifier: MIT
#include "in_place.h"

#include <linux/fcntl.h>
#include <linux/stat.h>

#include "bundle.h"
#include "confine.h"
#include "kernel.h"
#include "parameters.h"
#include "say.h"
#include "search.h"

/* ── Saying what is wrong ────────────────────────────────────────────────────────────────────────────────────────── */

static const char *help_for(const struct fault *fault) {
  int is_forbidden = fault->error == -EPERM || fault->error == -EACCES;
  switch (fault->stage) {
    case LOAD_PROGRAM:
    case MAKE_MAPS:
    case ATTACH:
      if (is_forbidden)
        return "CAP_BPF is needed here, or kernel.seccomp.ebpf=3 and kernel.unprivileged_bpf_disabled=0";
      if (fault->error == -EINVAL && fault->log == NULL)
        return "the kernel must have BPF_PROG_TYPE_SECCOMP (kernel/README.md) and kernel.seccomp.ebpf not 0";
      return NULL;
    case FIND_FUNCTIONS:
      return "the kernel must have BPF_PROG_TYPE_SECCOMP (kernel/README.md), and show its types in /sys/kernel/btf";
    default:
      return NULL;
  }
}

/* The last line but for the verifier's statistics: there it says what is wrong. */
static void say_telling_line(const char *log) {
  const char *telling = log, *line = log;
  size_t telling_length = 0;
  while (*line != 0) {
    size_t length = 0;
    while (line[length] != 0 && line[length] != '\n') length++;
    if (length > 0 && memcmp(line, "processed", 9 < length ? 9 : length) != 0) {
      telling = line;
      telling_length = length;
    }
    line += length + (line[length] != 0);
  }
  write_all(2, telling, telling_length);
}

static const char *const steps[] = {
    [CONFIGURE] = "the configuration cannot be read",
    [NO_NEW_PRIVILEGES] = "no_new_privs cannot be set",
    [INSTALL] = "the kernel refuses the classic filter",
    [READ_BUNDLE] = "the bundle cannot be used",
    [CAPABILITIES] = "capabilities cannot be set aside",
    [MAKE_MAPS] = "a map cannot be made",
    [FIND_FUNCTIONS] = "the kernel lacks what the program calls",
    [LOAD_PROGRAM] = "the kernel refuses the program",
    [ATTACH] = "the kernel refuses the extended filter",
};

static void say_fault(const char *about, const struct fault *fault) {
  say(about);
  say(": ");
  say(steps[fault->stage]);
  if (fault->what != NULL) {
    say(": ");
    say(fault->what);
  }
  if (fault->error != 0) {
    say(" (");
    say_error(fault->error);
    say(")");
  }
  if (fault->log != NULL) {
    say(": ");
    say_telling_line(fault->log);
  }
}

static void refuse_fault(const char *about, const struct fault *fault) __attribute__((noreturn));
static void refuse_fault(const char *about, const struct fault *fault) {
  say("portcullis: ");
  say_fault(about, fault);
  say("\n");
  const char *help = help_for(fault);
  if (help != NULL) {
    say("  help: ");
    say(help);
    say("\n");
  }
  leave(FAILED);
}

/* ── What is set ─────────────────────────────────────────────────────────────────────────────────────────────────── */

static void say_integer(const struct parameter_entry *parameter, uint64_t word) {
  char digits[24], *at = digits + sizeof digits - 1;
  int is_negative = parameter->kind == SIGNED_PARAMETER && (int64_t)word < 0;
  *at = 0;
  if (is_negative) word = -word;
  do *--at = (char)('0' + word % 10);
  while ((word /= 10) > 0);
  if (is_negative) *--at = '-';
  say(at);
}

static void say_values(const struct parameter_entry *parameter) {
  if (parameter->kind == FLAG_PARAMETER) {
    say("true or false");
    return;
  }
  say("an integer from ");
  say_integer(parameter, word_of(parameter->from));
  say(" to ");
  say_integer(parameter, word_of(parameter->to));
}

static void say_open(const struct bundle *bundle) {
  const struct parameter_entry *parameters = section_of(bundle, PARAMETERS);
  uint32_t count = count_of(bundle, PARAMETERS);
  say(count == 0 ? "none of its parameters is open: leave out --set" : "those that are open are ");
  for (uint32_t i = 0; i < count; i++) {
    if (i > 0) say(", ");
    say(string_at(bundle, parameters[i].name));
  }
}

static void refuse_setting(const char *about, const struct bundle *bundle, const struct settings *settings,
                           enum setting_fault fault) __attribute__((noreturn));
static void refuse_setting(const char *about, const struct bundle *bundle, const struct settings *settings,
                           enum setting_fault fault) {
  const struct parameter_entry *parameter =
      (const struct parameter_entry *)section_of(bundle, PARAMETERS) + settings->parameter;
  const char *given = settings->wrong < settings->count ? settings->given[settings->wrong] : "";
  size_t length = name_length(given);
  say("portcullis: ");
  say(about);
  say(": ");
  switch (fault) {
    case SETTING_MALFORMED:
      say("--set ");
      say(given);
      say(" sets nothing\n  help: --set NAME=VALUE");
      break;
    case SETTING_TWICE:
      say("the parameter ");
      write_all(2, given, length);
      say(" is set twice");
      break;
    case SETTING_UNKNOWN:
      say("the bundle has no parameter ");
      write_all(2, given, length);
      say("\n  help: ");
      say_open(bundle);
      break;
    case SETTING_FIXED: {
      const char *value = fixed_value(bundle, given, length);
      size_t end = 0;
      while (value[end] != 0 && value[end] != '\n') end++;
      say("the parameter ");
      write_all(2, given, length);
      say(" is fixed in this bundle: it is ");
      write_all(2, value, end);
      say("\n  help: compile the policy again: portcullis compile -p ");
      say(string_at(bundle, policy_of(bundle)->name));
      say(".ts --set ");
      write_all(2, given, length);
      say("=... -o FILE.pcl");
      break;
    }
    case SETTING_IMPOSSIBLE:
      say("the parameter ");
      write_all(2, given, length);
      say(" is ");
      say_values(parameter);
      say(", and not ");
      say(given + length + 1);
      break;
    default:
      say("the parameter ");
      say(string_at(bundle, parameter->name));
      say(" has no default, and is not given\n  help: --set ");
      say(string_at(bundle, parameter->name));
      say("=..., ");
      say_values(parameter);
  }
  say("\n");
  leave(FAILED);
}

static const char *found(const char *name, char **environment) {
  const char *file;
  long result = find_command(name, environment, &file);
  switch (result) {
    case 0:
      return file;
    case -EACCES:
    case -EISDIR:
      refuse(CANNOT_RUN, name, result == -EISDIR ? "is a directory" : "permission denied", NULL);
    default:
      refuse(NOT_FOUND, name, file == name ? "no such file" : "command not found", NULL);
  }
}

/* ── Becoming it ─────────────────────────────────────────────────────────────────────────────────────────────────── */

struct plan {
  const char *about; /* the bundle's name, for what is said */
  const char *file;
  char **argv;
  char **environment;
  const struct inheritance *inheritance;
  int best_effort;
  struct settings settings;
  /* The words are there already, so many of them, and not to be made of settings. */
  int has_words;
  uint32_t words;
};

/* The classic program by itself. */
static void take_classic(const struct plan *plan, struct bundle *bundle, struct confinement *confinement) {
  confinement->extended = NULL;
  struct fault fault = {0};
  if (arm_classic(bundle, confinement->token, &fault) < 0) refuse_fault(plan->about, &fault);
}

/* The kernel's part cannot be had: only where less is wanted, too. */
static void do_without(const struct plan *plan, struct bundle *bundle, struct confinement *confinement,
                       struct fault *fault) {
  if (!plan->best_effort || count_of(bundle, CLASSIC) == 0) refuse_fault(plan->about, fault);
  take_classic(plan, bundle, confinement);
  say("portcullis: BEST EFFORT: only the policy's static part is enforced, the weakest verdict that any state could "
      "give: ");
  say_fault(plan->about, fault);
  say("\n");
}

/* What stays open gets its values, or nothing is run. */
static void settle(struct plan *plan, const struct bundle *bundle) {
  if (!plan->has_words) {
    enum setting_fault wrong = read_settings(bundle, &plan->settings);
    if (wrong != SETTINGS_GOOD) refuse_setting(plan->about, bundle, &plan->settings, wrong);
    return;
  }
  if (!are_possible(bundle, plan->settings.words, plan->words))
    refuse(FAILED, plan->about, "an open parameter cannot have this value", NULL);
}

static void become_from(struct plan *plan, unsigned char *bytes, size_t size) __attribute__((noreturn));
static void become_from(struct plan *plan, unsigned char *bytes, size_t size) {
  static struct extended extended;
  struct bundle bundle;
  struct fault fault = {0};
  fault.what = read_bundle(&bundle, bytes, size);
  if (fault.what != NULL) {
    fault.stage = READ_BUNDLE;
    refuse_fault(plan->about, &fault);
  }
  settle(plan, &bundle);
  struct confinement confinement = {section_of(&bundle, CLASSIC), count_of(&bundle, CLASSIC), &extended, {0, 0}};
  /* Nobody is left who would hear what an extended filter tells, so one that adds nothing else is not installed. */
  if ((policy_of(&bundle)->traits & ENTIRELY_CLASSIC) != 0) take_classic(plan, &bundle, &confinement);
  else if (load_extended(&extended, &bundle, plan->settings.words, &fault) < 0)
    do_without(plan, &bundle, &confinement, &fault);
  else memcpy(confinement.token, extended.token, sizeof extended.token);

  give_inheritance(plan->inheritance);
  struct fault last = {0};
  last.error = confine(&confinement, &last.stage);
  if (last.error < 0) refuse_fault(plan->about, &last);
  long result = execute(plan->file, plan->argv, plan->environment, confinement.token);
  /* The policy judges this now, and may well deny it. */
  refuse(result == -ENOENT ? NOT_FOUND : CANNOT_RUN, plan->file,
         result == -ENOENT ? "no such file, or its interpreter is missing" : "cannot be run", NULL);
}

static const char usage[] =
    "usage: portcullis-launcher run [--best-effort] [--set NAME=VALUE]... BUNDLE [--] COMMAND [ARGUMENT...]\n"
    "\n"
    "Puts the policy of a bundle (portcullis compile -o policy.pcl) on a command and becomes it: no other process is\n"
    "left. Where the kernel cannot enforce all of the policy nothing is run; with --best-effort the command runs with\n"
    "the policy's static part, which is said. --set gives a parameter that the bundle leaves open its value, for this\n"
    "start; the others have their defaults (portcullis disasm policy.pcl lists them).\n"
    "\n"
    "exit status: the command's own; 125: nothing was run, for the reason told; 126: the command cannot be run;\n"
    "127: it was not found\n";

/* What stands behind --set, as a word of its own, to which `words` is moved, or in the same. NULL: it is no --set. */
static char *setting_in(char ***words) {
  static const char option[] = "--set";
  enum { LENGTH = sizeof option - 1 };
  char *word = **words;
  if (text_length(word) < LENGTH || memcmp(word, option, LENGTH) != 0) return NULL;
  if (word[LENGTH] == '=') return word + LENGTH + 1;
  if (word[LENGTH] != 0) return NULL;
  if ((*words)[1] == NULL) refuse(FAILED, NULL, "--set has no value", "--set NAME=VALUE");
  return *++*words;
}

void run_bundle(char **words, char **environment, const struct inheritance *inheritance) {
  static char *given[MOST_PARAMETERS];
  struct plan plan = {.environment = environment, .inheritance = inheritance, .settings = {.given = given}};
  for (; *words != NULL && (*words)[0] == '-'; words++) {
    if (is_word(*words, "--help") || is_word(*words, "-h")) {
      write_all(1, usage, sizeof usage - 1);
      leave(0);
    }
    char *setting = setting_in(&words);
    if (setting != NULL) {
      /* A bundle has no more parameters, so one too many is wrong whatever it says. */
      if (plan.settings.count == MOST_PARAMETERS)
        refuse(FAILED, setting, "no bundle has so many parameters", "portcullis-launcher run --help");
      given[plan.settings.count++] = setting;
      continue;
    }
    if (!is_word(*words, "--best-effort")) refuse(FAILED, *words, "unknown option", "portcullis-launcher run --help");
    plan.best_effort = 1;
  }
  plan.about = *words;
  if (*words == NULL) refuse(FAILED, NULL, "the bundle is missing", "portcullis-launcher run --help");
  words++;
  if (*words != NULL && is_word(*words, "--")) words++;
  if (*words == NULL) refuse(FAILED, NULL, "the command is missing", "portcullis-launcher run --help");
  plan.argv = words;

  struct statx status;
  struct fault fault = {.stage = READ_BUNDLE};
  long file = CALL(__NR_openat, AT_FDCWD, plan.about, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  if (file < 0) fault.error = file;
  else fault.error = CALL(__NR_statx, file, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status);
  if (fault.error < 0) refuse_fault(plan.about, &fault);
  fault.what = (status.stx_mode & S_IFMT) != S_IFREG ? "it is no file"
               : status.stx_size > LARGEST_BUNDLE    ? "it is larger than any bundle"
                                                     : NULL;
  if (fault.what != NULL) refuse_fault(plan.about, &fault);
  unsigned char *bytes = allocate(status.stx_size + 1);
  fault.error = bytes == NULL ? -ENOMEM : read_all((int)file, bytes, status.stx_size);
  if (fault.error < 0) refuse_fault(plan.about, &fault);
  CALL(__NR_close, file);
  plan.file = found(words[0], environment);
  become_from(&plan, bytes, status.stx_size);
}

void become(char **argv, char **environment, const struct inheritance *inheritance, struct orders *orders) {
  struct plan plan = {
      .about = "the policy", .argv = argv, .environment = environment, .inheritance = inheritance, .has_words = 1};
  plan.words = orders->header.fallback_length;
  memcpy(plan.settings.words, orders->parameters, sizeof orders->parameters);
  plan.file = found(argv[0], environment);
  become_from(&plan, orders->bundle, orders->header.filter_length);
}
