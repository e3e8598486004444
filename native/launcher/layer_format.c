// SPDX-License-Identifier: MIT
/* Checks the bytes of layers. */
#include "layer_format.h"

#include <linux/limits.h>

#include "kernel.h"

enum { FILE_RIGHTS = (1 << 17) - 1, PORT_RIGHTS = (1 << 4) - 1, SCOPES = (1 << 2) - 1 };

static const char *check_path(const struct layer_rule *rule) {
  const char *path = path_of(rule);
  if (rule->length < 4 || rule->length > PATH_MAX || path[0] != '/' || path[rule->length - 1] != 0)
    return "a rule has an invalid path";
  const size_t length = string_length(path);
  if (rule->length != ((length + 4) & ~3ul)) return "a rule has an invalid path";
  for (size_t at = length; at < rule->length; at++)
    if (path[at] != 0) return "a rule has an invalid path";
  return NULL;
}

static uint32_t flags_of(uint32_t kind) {
  switch (kind) {
    case BENEATH:
      return MAY_BE_MISSING | IS_WHOLE;
    case PROTECT:
      return IS_DIRECTORY;
    case PRIVATE:
      return MAY_BE_MISSING;
    case SHOWN:
      return IS_READ_ONLY;
    default:
      return 0;
  }
}

static const char *check_rule(const struct layer_header *layer, const struct layer_rule *rule) {
  const int is_limit = rule->kind == PROCESSES || rule->kind == PRIVATE_SIZE;
  const int has_path = rule->kind != FOR_PORT && rule->kind != FOR_STREAMS && !is_limit;
  if (!has_path && rule->length != 0) return "a rule has an invalid path";
  if (is_limit && rule->value == 0) return "a rule has an invalid value";
  if (!is_limit && (rule->kind == FOR_PORT ? rule->value > 65535 : (rule->value & ~flags_of(rule->kind)) != 0))
    return "a rule has an invalid value";
  switch (rule->kind) {
    case BENEATH:
    case FOR_STREAMS:
      if (rule->access == 0 || (rule->access & ~layer->files) != 0)
        return "a rule grants a right that is not restricted";
      break;
    case FOR_PORT:
      if (rule->access == 0 || (rule->access & ~layer->ports) != 0)
        return "a rule grants a right that is not restricted";
      break;
    case EXCEPT:
    case PROTECT:
    case ABOVE_PROTECTED:
    case PRIVATE:
    case SHOWN:
    case PROCESSES:
    case PRIVATE_SIZE:
      if (rule->access != 0) return "a rule grants a right that is not restricted";
      break;
    default:
      return "a rule is of an unknown kind";
  }
  return has_path ? check_path(rule) : NULL;
}

const char *check_layers(const unsigned char *bytes, size_t size) {
  if (size > MAX_LAYERS_SIZE || size % 4 != 0) return "its layers have an invalid size";
  int count = 0;
  for (size_t at = 0; at < size;) {
    const struct layer_header *layer = (const struct layer_header *)(bytes + at);
    if (++count > MAX_LAYERS) return "it has too many layers";
    if (size - at < sizeof *layer || layer->size > size - at - sizeof *layer || layer->size % 4 != 0)
      return "a layer extends beyond the end";
    if ((layer->files & ~(uint32_t)FILE_RIGHTS) != 0 || (layer->ports & ~(uint32_t)PORT_RIGHTS) != 0 ||
        (layer->scopes & ~(uint32_t)SCOPES) != 0)
      return "a layer restricts an unknown right, or none";
    /* Files can be protected without a right. */
    if ((layer->files | layer->ports | layer->scopes) == 0 && layer->size == 0)
      return "a layer restricts an unknown right, or none";
    /* Otherwise the kernel denies all moves between directories (PERMITS_MOVES, domain.h). */
    if (layer->files != 0 && (layer->files & REFER) == 0) return "a layer restricts files without refer";
    at += sizeof *layer;
    for (const size_t end = at + layer->size; at < end;) {
      const struct layer_rule *rule = (const struct layer_rule *)(bytes + at);
      if (end - at < sizeof *rule || rule->length > end - at - sizeof *rule || rule->length % 4 != 0)
        return "a rule extends beyond the end";
      const char *wrong = check_rule(layer, rule);
      if (wrong != NULL) return wrong;
      at += sizeof *rule + rule->length;
    }
  }
  return NULL;
}

int restricts_files(const unsigned char *bytes, size_t size, uint32_t rights) {
  const struct layer_header *layer = (const struct layer_header *)bytes, *end = (const void *)(bytes + size);
  for (; layer < end; layer = next_layer(layer))
    if ((layer->files & rights) != 0) return 1;
  return 0;
}

uint32_t limit_of(const unsigned char *layers, size_t size, uint32_t kind) {
  const struct layer_header *layer = (const struct layer_header *)layers, *end = (const void *)(layers + size);
  uint32_t lowest = 0;
  for (; layer < end; layer = next_layer(layer))
    for (const struct layer_rule *rule = first_rule(layer); rule < end_of_rules(layer); rule = next_rule(rule))
      if (rule->kind == kind && (lowest == 0 || rule->value < lowest)) lowest = rule->value;
  return lowest;
}
