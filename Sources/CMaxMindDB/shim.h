#ifndef CMAXMINDDB_SHIM_H
#define CMAXMINDDB_SHIM_H
// libmaxminddb, and what Swift cannot call of it or only clumsily: socket addresses, unions with 128-bit integers, paths
// of C strings. Functions that can fail return a MMDB_... error code, 0 for success; calls of the kernel return -errno.

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <fcntl.h>
#include <maxminddb.h>

/// What a record says about a place. Codes are packed, the first character in the most significant byte; 0: not there.
typedef struct {
  double latitude, longitude;
  uint64_t continent, country, subdivision, second_subdivision;
  /// Kilometres; 0: not there.
  uint32_t accuracy;
  /// Both coordinates are there.
  int has_location;
} cmm_place;

/// Looks an address up, given in the 128-bit form (IPv4-mapped). Sets *found, the record's offset in the data section, and
/// the length of the prefix that has the same answer, in the 128-bit form.
static inline int cmm_find(const MMDB_s *db, uint64_t high, uint64_t low, int *found, uint32_t *offset, uint32_t *prefix) {
  int error = MMDB_SUCCESS;
  MMDB_lookup_result_s result;
  if (high == 0 && low >> 32 == 0xFFFF) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = __builtin_bswap32((uint32_t)low);
    result = MMDB_lookup_sockaddr(db, (const struct sockaddr *)&address, &error);
    // In a tree of IPv6 addresses an answer can stand above the IPv4 addresses.
    *prefix = db->metadata.ip_version == 4 ? result.netmask + 96u : result.netmask < 96 ? 96u : result.netmask;
  } else if (db->metadata.ip_version == 4) {
    *found = 0;
    *prefix = 0;
    return MMDB_SUCCESS;
  } else {
    struct sockaddr_in6 address;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    high = __builtin_bswap64(high);
    low = __builtin_bswap64(low);
    memcpy(&address.sin6_addr, &high, 8);
    memcpy((char *)&address.sin6_addr + 8, &low, 8);
    result = MMDB_lookup_sockaddr(db, (const struct sockaddr *)&address, &error);
    *prefix = result.netmask;
  }
  *found = error == MMDB_SUCCESS && result.found_entry;
  *offset = result.entry.offset;
  return error;
}

/// A value by its path. Sets *found to 0 when the record has no such path.
static inline int cmm_value(const MMDB_s *db, uint32_t offset, const char *const *path, MMDB_entry_data_s *value, int *found) {
  MMDB_entry_s entry = {db, offset};
  int error = MMDB_aget_value(&entry, value, path);
  *found = error == MMDB_SUCCESS && value->has_data;
  return error == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR ? MMDB_SUCCESS : error;
}

static inline int cmm_number(const MMDB_s *db, uint32_t offset, const char *const *path, double *number, int *found) {
  MMDB_entry_data_s value;
  int error = cmm_value(db, offset, path, &value, found);
  if (error != MMDB_SUCCESS || !*found) return error;
  switch (value.type) {
    case MMDB_DATA_TYPE_DOUBLE: *number = value.double_value; break;
    case MMDB_DATA_TYPE_FLOAT: *number = value.float_value; break;
    case MMDB_DATA_TYPE_UINT16: *number = value.uint16; break;
    case MMDB_DATA_TYPE_UINT32: *number = value.uint32; break;
    case MMDB_DATA_TYPE_INT32: *number = value.int32; break;
    default: *found = 0;
  }
  return error;
}

static inline int cmm_code(const MMDB_s *db, uint32_t offset, const char *const *path, uint64_t *packed) {
  MMDB_entry_data_s value;
  int found = 0;
  int error = cmm_value(db, offset, path, &value, &found);
  *packed = 0;
  if (!found || value.type != MMDB_DATA_TYPE_UTF8_STRING || value.data_size > 8) return error;
  for (uint32_t index = 0; index < value.data_size; index++) {
    unsigned char byte = (unsigned char)value.utf8_string[index];
    if (byte <= 0x20 || byte >= 0x7F) {
      *packed = 0;
      return error;
    }
    *packed |= (uint64_t)byte << (56 - 8 * index);
  }
  return error;
}

/// Goes to a map or list by its path, so that several values in it need no way through the whole record each.
static inline int cmm_enter(const MMDB_s *db, uint32_t offset, const char *const *path, uint32_t *inner, int *found) {
  MMDB_entry_data_s value;
  int error = cmm_value(db, offset, path, &value, found);
  *inner = value.offset;
  return error;
}

/// What a record says about a place, by the paths that MaxMind's databases use.
static inline int cmm_read_place(const MMDB_s *db, uint32_t offset, cmm_place *place) {
  static const char *const location[] = {"location", NULL};
  static const char *const latitude[] = {"latitude", NULL};
  static const char *const longitude[] = {"longitude", NULL};
  static const char *const accuracy[] = {"accuracy_radius", NULL};
  static const char *const continent[] = {"continent", "code", NULL};
  static const char *const country[] = {"country", "iso_code", NULL};
  static const char *const subdivisions[] = {"subdivisions", NULL};
  static const char *const first[] = {"0", "iso_code", NULL};
  static const char *const second[] = {"1", "iso_code", NULL};
  int found = 0, has_latitude = 0, has_longitude = 0, has_accuracy = 0, error;
  uint32_t inner = 0;
  double radius = 0;
  memset(place, 0, sizeof *place);
  if ((error = cmm_enter(db, offset, location, &inner, &found))) return error;
  if (found) {
    if ((error = cmm_number(db, inner, latitude, &place->latitude, &has_latitude))) return error;
    if ((error = cmm_number(db, inner, longitude, &place->longitude, &has_longitude))) return error;
    if ((error = cmm_number(db, inner, accuracy, &radius, &has_accuracy))) return error;
    place->has_location = has_latitude && has_longitude;
    place->accuracy = has_accuracy && radius > 0 && radius < 65536 ? (uint32_t)radius : 0;
  }
  if ((error = cmm_code(db, offset, continent, &place->continent))) return error;
  if ((error = cmm_code(db, offset, country, &place->country))) return error;
  if ((error = cmm_enter(db, offset, subdivisions, &inner, &found)) || !found) return error;
  if ((error = cmm_code(db, inner, first, &place->subdivision)) || !place->subdivision) return error;
  return cmm_code(db, inner, second, &place->second_subdivision);
}

/// An unnamed file in memory, closed on exec, that can be sealed.
static inline int cmm_memory_file(void) {
  long fd = syscall(SYS_memfd_create, "maxminddb", 3u /* MFD_CLOEXEC | MFD_ALLOW_SEALING */);
  return fd < 0 ? -errno : (int)fd;
}

/// From now on nobody can change the file's bytes or length, nor undo this.
static inline int cmm_seal(int fd) {
  long done = syscall(SYS_fcntl, fd, 1033 /* F_ADD_SEALS */, 15 /* SEAL, SHRINK, GROW, WRITE */);
  return done < 0 ? -errno : 0;
}

#endif
