// libmaxminddb called from C: the yardstick of Tests/Benchmarks/geo. The same two ways as GeoLookups, the same output.
//   geo_lookups find|place DATABASE ADDRESSES PASSES

#include <maxminddb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static MMDB_lookup_result_s find(MMDB_s *db, const unsigned char *address) {
  static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
  int error;
  MMDB_lookup_result_s result;
  if (memcmp(address, mapped, 12) == 0) {
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    memcpy(&ipv4.sin_addr, address + 12, 4);
    result = MMDB_lookup_sockaddr(db, (struct sockaddr *)&ipv4, &error);
  } else {
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    memcpy(&ipv6.sin6_addr, address, 16);
    result = MMDB_lookup_sockaddr(db, (struct sockaddr *)&ipv6, &error);
  }
  if (error) exit(1);
  return result;
}

static double text(MMDB_entry_s *entry, const char *const *path) {
  MMDB_entry_data_s value;
  if (MMDB_aget_value(entry, &value, path) || !value.has_data || !value.data_size) return 0;
  return (unsigned char)value.utf8_string[0];
}

static double place(MMDB_s *db, const unsigned char *address) {
  MMDB_lookup_result_s result = find(db, address);
  if (!result.found_entry) return 0;
  MMDB_entry_data_s latitude, longitude, accuracy;
  double sum = 0;
  int located = !MMDB_aget_value(&result.entry, &latitude, (const char *[]){"location", "latitude", NULL});
  located &= !MMDB_aget_value(&result.entry, &longitude, (const char *[]){"location", "longitude", NULL});
  if (located) sum += latitude.double_value + longitude.double_value;
  if (!MMDB_aget_value(&result.entry, &accuracy, (const char *[]){"location", "accuracy_radius", NULL})) sum += accuracy.uint16;
  sum += text(&result.entry, (const char *[]){"continent", "code", NULL});
  sum += text(&result.entry, (const char *[]){"country", "iso_code", NULL});
  double part = text(&result.entry, (const char *[]){"subdivisions", "0", "iso_code", NULL});
  if (part) part += text(&result.entry, (const char *[]){"subdivisions", "1", "iso_code", NULL});
  return sum + part;
}

int main(int count, char **arguments) {
  if (count != 5) return 64;
  MMDB_s db;
  if (MMDB_open(arguments[2], MMDB_MODE_MMAP, &db)) return 78;
  FILE *file = fopen(arguments[3], "rb");
  if (!file) return 78;
  fseek(file, 0, SEEK_END);
  size_t bytes = (size_t)ftell(file);
  rewind(file);
  unsigned char *addresses = malloc(bytes);
  if (!addresses || fread(addresses, 1, bytes, file) != bytes) return 1;
  fclose(file);
  int whole = strcmp(arguments[1], "place") == 0;
  for (int pass = atoi(arguments[4]); pass > 0; pass--) {
    double begin = now(), sum = 0;
    for (size_t at = 0; at < bytes; at += 16) {
      if (whole) {
        sum += place(&db, addresses + at);
      } else {
        MMDB_lookup_result_s result = find(&db, addresses + at);
        if (result.found_entry) sum += result.entry.offset;
      }
    }
    printf("%.1f %.3f\n", (now() - begin) / (bytes / 16.0), sum);
  }
  MMDB_close(&db);
  return 0;
}
