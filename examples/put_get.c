/* Stores an object and reads it back: put_get URL
 *
 * The URL names a container of a pool, as in local:/srv/ross/pool0/datasets; make both with the ross command, or see
 * create_pool.c. */
#include <ross/ross.h>
#include <stdio.h>
#include <string.h>

static int complain(const char* what) {
  fprintf(stderr, "%s: %s\n", what, ross_last_error());
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: put_get URL\n");
    return 2;
  }
  ross_store* store = NULL;
  if (ross_attach(argv[1], NULL, &store) < 0) return complain("attach");

  const char text[] = "forty-two labels";
  if (ross_put(store, "train/labels", text, sizeof text, 0644) < 0) return complain("put");

  char back[64];
  const int64_t got = ross_get(store, "train/labels", back, sizeof back, 0);
  if (got < 0) return complain("get");
  if (got != (int64_t)sizeof text || memcmp(back, text, sizeof text) != 0) {
    fprintf(stderr, "what came back is not what went in\n");
    return 1;
  }
  printf("%lld bytes: %s\n", (long long)got, back);
  if (ross_detach(store) < 0) return complain("detach");
  return 0;
}
