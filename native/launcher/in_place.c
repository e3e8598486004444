// SPDX-License-Identifier: MIT
#include "in_place.h"

#include <linux/fcntl.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/stat.h>

#include "confine.h"
#include "kernel.h"
#include "parameters.h"

enum { FAILED = 125, CANNOT_RUN = 126, NOT_FOUND = 127, LONGEST_PATH = 4096 };

/* ── Saying what is wrong ────────────────────────────────────────────────────────────────────────────────────────── */

static void say(const char *text) { write_all(2, text, text_length(text)); }

static void say_number(long number) {
  char digits[24], *at = digits + sizeof digits - 1;
  *at = 0;
  do *--at = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  say(at);
}

static void say_error(long error) {
  static const struct {
    int number;
    const char *name;
  } known[] = {{EPERM, "EPERM"},   {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {E2BIG, "E2BIG"}, {ENOEXEC, "ENOEXEC"}, {ENOMEM, "ENOMEM"},
               {EACCES, "EACCES"}, {EBUSY, "EBUSY"},   {EINVAL, "EINVAL"}, {ENOSYS, "ENOSYS"}, {ENOTDIR, "ENOTDIR"}};
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
    if (known[i].number != -error) continue;
    say(known[i].name);
    return;
  }
  say("errno ");
  say_number(-error);
}

static void refuse(int status, const char *about, const char *what, const char *help) __attribute__((noreturn));
static void refuse(int status, const char *about, const char *what, const char *help) {
  say("portcullis: ");
  if (about != NULL) {
    say(about);
    say(": ");
  }
  say(what);
  say("\n");
  if (help != NULL) {
    say("  help: ");
    say(help);
    say("\n");
  }
  leave(status);
}

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

/* ── Where the command is ────────────────────────────────────────────────────────────────────────────────────────── */

static const char *in_environment(char **environment, const char *name) {
  size_t length = text_length(name);
  for (; *environment != NULL; environment++)
    if (memcmp(*environment, name, length) == 0 && (*environment)[length] == '=') return *environment + length + 1;
  return NULL;
}

static int is_executable(const char *file, long *why) {
  struct statx status;
  long result = CALL(__NR_statx, AT_FDCWD, file, 0, STATX_TYPE, &status);
  if (result == 0) result = (status.stx_mode & S_IFMT) == S_IFDIR ? -EACCES : CALL(__NR_faccessat, AT_FDCWD, file, 1);
  *why = result;
  return result == 0;
}

/* As a shell searches: a word with a slash is a path, an empty folder of PATH the working directory. */
static const char *find_command(const char *name, char **environment) {
  static char file[2 * LONGEST_PATH];
  size_t length = text_length(name);
  long why;
  for (const char *c = name; *c != 0; c++) {
    if (*c != '/') continue;
    if (is_executable(name, &why)) return name;
    refuse(why == -EACCES ? CANNOT_RUN : NOT_FOUND, name, why == -EACCES ? "cannot be run" : "no such file", NULL);
  }
  const char *path = in_environment(environment, "PATH");
  if (path == NULL) path = "/bin:/usr/bin";
  int denied = 0;
  while (length > 0 && length < LONGEST_PATH) {
    size_t folder = 0;
    while (path[folder] != 0 && path[folder] != ':') folder++;
    if (folder < LONGEST_PATH) {
      memcpy(file, folder == 0 ? "." : path, folder == 0 ? 1 : folder);
      size_t at = folder == 0 ? 1 : folder;
      file[at] = '/';
      memcpy(file + at + 1, name, length + 1);
      if (is_executable(file, &why)) return file;
      denied |= why == -EACCES;
    }
    if (path[folder] == 0) break;
    path += folder + 1;
  }
  refuse(denied ? CANNOT_RUN : NOT_FOUND, name, denied ? "cannot be run" : "command not found", NULL);
}

/* ── Becoming it ─────────────────────────────────────────────────────────────────────────────────────────────────── */

struct order {
  const char *about; /* the bundle's name, for what is said */
  const char *file;
  char **argv;
  char **environment;
  uint64_t mask;
  int best_effort;
  struct settings settings;
  /* The words are there already, so many of them, and not to be made of settings. */
  int has_words;
  uint32_t words;
};

/* The classic program by itself. */
static void take_classic(const struct order *order, struct bundle *bundle, struct confinement *confinement) {
  confinement->extended = NULL;
  struct fault fault = {0};
  if (arm_classic(bundle, confinement->token, &fault) < 0) refuse_fault(order->about, &fault);
}

/* The kernel's part cannot be had: only where less is wanted, too. */
static void do_without(const struct order *order, struct bundle *bundle, struct confinement *confinement,
                       struct fault *fault) {
  if (!order->best_effort || count_of(bundle, CLASSIC) == 0) refuse_fault(order->about, fault);
  take_classic(order, bundle, confinement);
  say("portcullis: BEST EFFORT: only the policy's static part is enforced, the weakest verdict that any state could "
      "give: ");
  say_fault(order->about, fault);
  say("\n");
}

/* What stays open gets its values, or nothing is run. */
static void settle(struct order *order, const struct bundle *bundle) {
  if (!order->has_words) {
    enum setting_fault wrong = read_settings(bundle, &order->settings);
    if (wrong != SETTINGS_GOOD) refuse_setting(order->about, bundle, &order->settings, wrong);
    return;
  }
  if (!are_possible(bundle, order->settings.words, order->words))
    refuse(FAILED, order->about, "an open parameter cannot have this value", NULL);
}

static void become_from(struct order *order, unsigned char *bytes, size_t size) __attribute__((noreturn));
static void become_from(struct order *order, unsigned char *bytes, size_t size) {
  static struct extended extended;
  struct bundle bundle;
  struct fault fault = {0};
  fault.what = read_bundle(&bundle, bytes, size);
  if (fault.what != NULL) {
    fault.stage = READ_BUNDLE;
    refuse_fault(order->about, &fault);
  }
  settle(order, &bundle);
  struct confinement confinement = {section_of(&bundle, CLASSIC), count_of(&bundle, CLASSIC), &extended, {0, 0}};
  /* Nobody is left who would hear what an extended filter tells, so one that adds nothing else is not installed. */
  if ((policy_of(&bundle)->traits & ENTIRELY_CLASSIC) != 0)
    take_classic(order, &bundle, &confinement);
  else if (load_extended(&extended, &bundle, order->settings.words, &fault) < 0)
    do_without(order, &bundle, &confinement, &fault);
  else
    memcpy(confinement.token, extended.token, sizeof extended.token);

  CALL(__NR_rt_sigprocmask, SIG_SETMASK, &order->mask, 0, sizeof order->mask);
  struct fault last = {0};
  last.error = confine(&confinement, &last.stage);
  if (last.error < 0) refuse_fault(order->about, &last);
  long result = execute(order->file, order->argv, order->environment, confinement.token);
  /* The policy judges this now, and may well deny it. */
  refuse(result == -ENOENT ? NOT_FOUND : CANNOT_RUN, order->file,
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

static int is_word(const char *word, const char *expected) {
  return text_length(word) == text_length(expected) && memcmp(word, expected, text_length(expected)) == 0;
}

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

void run_bundle(char **words, char **environment, uint64_t mask) {
  static char *given[MOST_PARAMETERS];
  struct order order = {.environment = environment, .mask = mask, .settings = {.given = given}};
  for (; *words != NULL && (*words)[0] == '-'; words++) {
    if (is_word(*words, "--help") || is_word(*words, "-h")) {
      write_all(1, usage, sizeof usage - 1);
      leave(0);
    }
    char *setting = setting_in(&words);
    if (setting != NULL) {
      /* A bundle has no more parameters, so one too many is wrong whatever it says. */
      if (order.settings.count == MOST_PARAMETERS)
        refuse(FAILED, setting, "no bundle has so many parameters", "portcullis-launcher run --help");
      given[order.settings.count++] = setting;
      continue;
    }
    if (!is_word(*words, "--best-effort")) refuse(FAILED, *words, "unknown option", "portcullis-launcher run --help");
    order.best_effort = 1;
  }
  order.about = *words;
  if (*words == NULL) refuse(FAILED, NULL, "the bundle is missing", "portcullis-launcher run --help");
  words++;
  if (*words != NULL && is_word(*words, "--")) words++;
  if (*words == NULL) refuse(FAILED, NULL, "the command is missing", "portcullis-launcher run --help");
  order.argv = words;

  struct statx status;
  struct fault fault = {.stage = READ_BUNDLE};
  long file = CALL(__NR_openat, AT_FDCWD, order.about, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  if (file < 0) fault.error = file;
  else fault.error = CALL(__NR_statx, file, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status);
  if (fault.error < 0) refuse_fault(order.about, &fault);
  fault.what = (status.stx_mode & S_IFMT) != S_IFREG ? "it is no file"
               : status.stx_size > LARGEST_BUNDLE    ? "it is larger than any bundle"
                                                     : NULL;
  if (fault.what != NULL) refuse_fault(order.about, &fault);
  unsigned char *bytes = allocate(status.stx_size + 1);
  fault.error = bytes == NULL ? -ENOMEM : read_all((int)file, bytes, status.stx_size);
  if (fault.error < 0) refuse_fault(order.about, &fault);
  CALL(__NR_close, file);
  order.file = find_command(words[0], environment);
  become_from(&order, bytes, status.stx_size);
}

void become(char **words, char **environment, uint64_t mask) {
  struct order order = {.about = "the policy", .environment = environment, .mask = mask};
  int descriptor = 0;
  for (const char *digit = words[0]; digit != NULL && *digit >= '0' && *digit <= '9' && descriptor < 1 << 20; digit++)
    descriptor = 10 * descriptor + (*digit - '0');
  if (words[0] == NULL || words[1] == NULL || words[2] == NULL) leave(FAILED);
  order.file = words[1];
  order.argv = words + 2;

  /* struct sigaction of the kernel: handler (0: the default), flags, restorer, mask */
  long original[4] = {0};
  CALL(__NR_rt_sigaction, SIGPIPE, original, 0, sizeof(uint64_t));

  struct configuration header;
  struct fault fault = {.stage = CONFIGURE};
  fault.error = read_all(descriptor, &header, HEADER_SIZE);
  if (fault.error == 0 && (header.magic != CONFIGURATION_MAGIC || header.flags != EXTENDED ||
                           header.filter_length > LARGEST_BUNDLE || header.fallback_length > MOST_PARAMETERS))
    fault.error = -EPROTO;
  unsigned char *bytes = fault.error == 0 ? allocate(header.filter_length + 1) : NULL;
  if (fault.error == 0) fault.error = bytes == NULL ? -ENOMEM : read_all(descriptor, bytes, header.filter_length);
  order.has_words = 1;
  order.words = header.fallback_length;
  if (fault.error == 0) fault.error = read_all(descriptor, order.settings.words, order.words * sizeof(uint64_t));
  if (fault.error < 0) refuse_fault(order.about, &fault);
  CALL(__NR_close, descriptor);
  become_from(&order, bytes, header.filter_length);
}
