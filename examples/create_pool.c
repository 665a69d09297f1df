/* Makes a pool with one device file, and a container in it: create_pool DIRECTORY CONTAINER MEBIBYTES */
#include <ross/ross.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: create_pool DIRECTORY CONTAINER MEBIBYTES\n");
    return 2;
  }
  const struct ross_pool_options options = {.size = sizeof options,
                                            .device_bytes = strtoull(argv[3], NULL, 10) * 1024 * 1024};
  char url[4096];
  if (snprintf(url, sizeof url, "local:%s/%s", argv[1], argv[2]) >= (int)sizeof url) {
    fprintf(stderr, "the directory's path is too long\n");
    return 2;
  }
  if (ross_pool_create(argv[1], &options) < 0 || ross_container_create(url) < 0) {
    fprintf(stderr, "%s\n", ross_last_error());
    return 1;
  }
  printf("%s\n", url);
  return 0;
}
