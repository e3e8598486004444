// SPDX-License-Identifier: MIT
/* The lines of /proc/PID/status that decide whether a caller has our rights. */
#include "../../../native/addon/objects/caller.c"

#include "check.h"

#define STATUS(uids, gids, permitted, effective)                                            \
  "Name:\tUid\nUmask:\t0022\nUid:\t" uids "\nGid:\t" gids                                   \
  "\nGroups:\t4 24 \nThreads:\t12\nCapInh:\t1\nCapPrm:\t" permitted "\nCapEff:\t" effective \
  "\nSigPnd:\t0000000000000100\n"

static bool has_line(const char *status, const char *name, const char *expected) {
  size_t length;
  const char *line = line_of(status, name, &length);
  if (expected == NULL) return line == NULL;
  return line != NULL && length == strlen(expected) && memcmp(line, expected, length) == 0;
}

void test_caller(void) {
  static const char status[] = STATUS("1000\t1000\t1000\t1000", "5\t5\t5\t5", "0", "0");
  CHECK(has_line(status, "Name", "\tUid"));
  CHECK(has_line(status, "Uid", "\t1000\t1000\t1000\t1000"));
  CHECK(has_line(status, "SigPnd", "\t0000000000000100"));
  CHECK(has_line(status, "Sig", NULL));
  CHECK(has_line(status, "SigBlk", NULL));
  CHECK(has_line("Uid", "Uid", NULL));
  CHECK(has_line("Uid:", "Uid", ""));
  CHECK(has_line("", "Uid", NULL));

  CHECK(number_in(status, "Threads", 10) == 12);
  CHECK(number_in(status, "Umask", 8) == 022);
  CHECK(number_in(status, "Tgid", 10) == -1);
  CHECK(mask_in(status, "SigPnd") == 0x100);

  char credentials[CREDENTIAL_BYTES];
  CHECK(credentials_of(status, credentials));
  CHECK(strcmp(credentials, "\t1000\t1000\t1000\t1000\n\t5\t5\t5\t5\n\t4 24 \n\t0\n\t0\n") == 0);
  CHECK(!credentials_of("Uid:\t1\nGid:\t1\nGroups:\t\nCapPrm:\t0\n", credentials));
  char *many = malloc(2 * CREDENTIAL_BYTES);
  if (many == NULL) return;
  /* Groups that fit by one byte, and that do not. */
  for (int more = 0; more < 2; more++) {
    const size_t others = strlen("1\n1\n\n0\n0\n") + 1;
    const int length = (int)(CREDENTIAL_BYTES - others) + more;
    snprintf(many, 2 * CREDENTIAL_BYTES, "Uid:1\nGid:1\nGroups:%0*d\nCapPrm:0\nCapEff:0\n", length, 7);
    char *exact = malloc(CREDENTIAL_BYTES);
    if (exact != NULL) CHECK(credentials_of(many, exact) == (more == 0));
    free(exact);
  }
  free(many);

  CHECK(is_real(status));
  CHECK(!is_real(STATUS("1000\t0\t0\t0", "5\t5\t5\t5", "0", "0")));
  CHECK(!is_real(STATUS("1000\t1000\t1000\t1000", "5\t5\t5\t6", "0", "0")));
  CHECK(!is_real(STATUS("1000\t1000\t1000\t1000", "5\t5\t5\t5", "8", "8")));
  CHECK(is_real(STATUS("0\t0\t0\t0", "0\t0\t0\t0", "1ffffffffff", "1ffffffffff")));
  CHECK(!is_real(STATUS("0\t0\t0\t0", "0\t0\t0\t0", "1ffffffffff", "0")));
  CHECK(!is_real("Uid:\t0\t0\t0\t0\n"));
}
