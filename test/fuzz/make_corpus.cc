// Writes the inputs that the search in the wire's messages, in greetings, in rings of shared memory and in what comes by libfabric
// and UCX begins with: one of each kind, by the encoders themselves. Run again when a layout changes:
//
//   make_corpus test/fuzz/corpus
#include "make_corpus.h"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fabric/shm/layout.h"
#include "fabric/stream/frame.h"
#include "wire/message.h"

namespace {

std::filesystem::path folder;

}  // namespace

void write(std::string_view name, std::string_view bytes) {
  std::ofstream file(folder / name, std::ios::binary | std::ios::trunc);
  file << bytes;
  if (!file.flush()) {
    std::fprintf(stderr, "make_corpus: cannot write %s\n", (folder / name).c_str());
    std::exit(1);
  }
}

namespace {

// ---- the wire ----

using namespace ross::wire;

template <class... Message>
void write_message(std::string_view name, const Message&... message) {
  std::vector<std::byte> bytes;
  encode(message..., bytes);
  write(name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void write_wire() {
  const Token token = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  write_message("hello", Hello{.pid = 77, .session = token});
  const Welcome welcome{
      .pid = 78, .inflight_max = kInflightMax, .inflight_bytes_max = kInflightBytesMax, .session = token};
  write_message("welcome", welcome, std::string_view());
  write_message("welcome_refused", Welcome{.error = 13}, std::string_view("the server is of another user"));

  write_message("request_rename", Request{.id = 7,
                                          .op = Op::kRename,
                                          .container = 3,
                                          .node = 1,
                                          .other = 2,
                                          .uid = 1000,
                                          .gid = 1001,
                                          .groups = {4, 24, 27},
                                          .name = "old",
                                          .name2 = "new"});
  write_message("request_setxattr", Request{.op = Op::kSetxattr, .node = 5, .name = "user.kind", .text = "value"});
  Request windows{.op = Op::kRead, .file = 4, .a = 8192, .b = 5000};
  windows.windows = {{.offset_bytes = 1 << 20, .size_bytes = 4096, .key = "0123456789abcdef01234567"},
                     {.offset_bytes = 0, .size_bytes = 904, .key = "k"}};
  write_message("request_read_windows", windows);
  windows.op = Op::kWrite;
  write_message("request_write_windows", windows);
  const SetAttr set{
      .set = kSetMode | kSetMtime, .mode = 0640, .uid = 0, .gid = 0, .size_bytes = 0, .atime_ns = 0, .mtime_ns = 5};
  write_message("request_setattr", Request{.op = Op::kSetattr, .node = 9, .text = as_text(set)});

  const Attr attr{.node = 12, .mode = 0100644, .links = 1, .uid = 1, .gid = 1, .rdev = 0, .size_bytes = 99};
  write_message("reply_attr", Reply{.id = 1, .created = true, .has_attr = true, .attr = attr, .value = 5});
  write_message("reply_error", Reply{.id = 2, .error = 2, .text = "no such file"});
  write_message("reply_retry", Reply{.id = 3, .error = 107, .retry = 2, .text = "the session is gone"});

  std::string listing;
  append(DirEntry{.name = "sub", .node = 4, .cursor = 1, .type = 0040000}, listing);
  append(DirEntry{.name = "file", .node = 5, .cursor = 2, .type = 0100000, .has_attr = true, .attr = attr}, listing);
  write("entries", listing);
  listing.clear();
  append(Container{.name = "data", .quota_bytes = 1 << 30, .quota_nodes = 1000, .used_bytes = 1, .created_ns = -5},
         listing);
  append(Container{.name = "more"}, listing);
  write("containers", listing);
  listing.clear();
  append_name("user.a", listing);
  append_name("security.selinux", listing);
  write("names", listing);
  write("pool_info", encode(PoolInfo{.uuid = "6f1e9a1c-0f5e-4a5e-8f59-3a3f6a0f0c11",
                                     .format_version = 1,
                                     .total_bytes = 1 << 30,
                                     .free_bytes = 1 << 29,
                                     .containers = 2,
                                     .failed = "a device is gone",
                                     .devices = {{.kind = 1, .path = "/dev/nvme0n1", .size_bytes = 1 << 30},
                                                 {.kind = 2, .path = "ram", .free_bytes = 7}}}));

  write("reach", encode(Reach{.token = {1, 2, 3, 4},
                              .machine = "0b0f6b9e-6a0c-4c55-9d0c-0e6a1f1f9c11",
                              .ways = {{.backend = "tcp", .address = "10.0.0.7:7471"},
                                       {.backend = "shm", .address = "/run/x.sock", .same_machine_only = true}}}));
  write("set_attr", as_text(set));
  write("lock",
        as_text(Lock{.owner = 1, .begin = 0, .end = UINT64_MAX, .pid = 9, .kind = 2, .flock = 1, .reserved = {}}));
  write("stat_fs", as_text(StatFs{.total_bytes = 9,
                                  .free_bytes = 8,
                                  .nodes_total = 7,
                                  .nodes_used = 6,
                                  .block_bytes = 4096,
                                  .name_bytes_max = 255}));
}

// ---- rings of shared memory ----

namespace shm = ross::fabric::shm;

// As shm_fuzz.cc takes it: the size of pieces, what is done, records.
class Ring {
 public:
  Ring(std::uint8_t pieces, std::uint8_t doing) : bytes_{static_cast<char>(pieces), static_cast<char>(doing)} {}
  Ring& add(shm::Kind kind, std::string_view head, std::string_view chunk, std::uint32_t payload_bytes = 0) {
    const shm::RecordPrefix prefix{.kind = kind,
                                   .head_bytes = static_cast<std::uint32_t>(head.size()),
                                   .chunk_bytes = static_cast<std::uint32_t>(chunk.size()),
                                   .payload_bytes = payload_bytes};
    bytes_.append(reinterpret_cast<const char*>(&prefix), sizeof prefix);
    for (const std::string_view part : {head, chunk}) {
      bytes_.append(part);
      bytes_.append(shm::record_pad(part.size()) - part.size(), '\0');
    }
    return *this;
  }
  void write_as(std::string_view name) const { write(name, bytes_); }

 private:
  std::string bytes_;
};

std::string transfer(std::string_view key, std::uint64_t offset, std::uint64_t size_bytes) {
  std::string head(key);
  head.resize(sizeof(shm::WindowKey), '.');
  head.append(reinterpret_cast<const char*>(&offset), sizeof offset);
  head.append(reinterpret_cast<const char*>(&size_bytes), sizeof size_bytes);
  return head;
}

void write_shm() {
  const std::string chunk(1000, 'c');
  const std::string large(3000, 'p');
  Ring(0, 0).add(shm::Kind::kMessage, "head", "payload", 7).add(shm::Kind::kMessage, "", "").write_as("messages");
  Ring(1, 0)
      .add(shm::Kind::kMessage, "head", large.substr(0, 1000), 3000)
      .add(shm::Kind::kMore, "", large.substr(1000))
      .write_as("chunks");
  Ring(0, 0).add(shm::Kind::kPut, transfer("KEYw", 0, 1000), chunk).write_as("put");
  Ring(9, 0)
      .add(shm::Kind::kPut, transfer("KEYw", 100, 900), chunk.substr(0, 400))
      .add(shm::Kind::kPut, transfer("KEYw", 500, 500), chunk.substr(0, 500))
      .write_as("put_in_pieces");
  Ring(0, 0).add(shm::Kind::kPut, transfer("KEYw", 1, 1000), chunk).write_as("put_out_of_range");
  Ring(0, 0)
      .add(shm::Kind::kGet, transfer("KEYr", 0, 1000), "")
      .add(shm::Kind::kGet, transfer("KEYr", 999, 1), "")
      .write_as("gets");
  Ring(0, 0).add(shm::Kind::kGet, transfer("KEYw", 0, 10), "").write_as("get_of_what_is_written");
  Ring(0, 1).add(shm::Kind::kPlaced, "", "").write_as("placed");
  Ring(3, 2)
      .add(shm::Kind::kData, "", chunk.substr(0, 400))
      .add(shm::Kind::kData, "", chunk.substr(0, 600))
      .write_as("data");
  Ring(0, 2).add(shm::Kind::kData, "", large).write_as("data_too_long");
  Ring(0, 7)
      .add(shm::Kind::kPlaced, "", "")
      .add(shm::Kind::kData, "", chunk)
      .add(shm::Kind::kMessage, "h", "p", 1)
      .write_as("all_answers");
  Ring(0, 0).add(shm::Kind::kData, "", "d").write_as("data_for_nobody");
  Ring(0, 0).add(shm::Kind::kMessage, std::string(257, 'h'), "").write_as("head_too_long");
  Ring(0, 8).add(shm::Kind::kMessage, "head", "").write_as("odd_tail");
  Ring(0, 16 | 4).add(shm::Kind::kMessage, "head", "").write_as("wrong_head");
  Ring(1, 32).add(shm::Kind::kMessage, "RRRRRRRRRRRRRRRR", "wwwwwwww", 8).write_as("flooded_socket");
}

// ---- greetings ----

// As greeting_fuzz.cc takes them: what is passed and the size of pieces, then the bytes.
template <class Greeting>
void write_greeting(std::string_view name, std::uint8_t passing, std::uint8_t piece_bytes, const Greeting& greeting) {
  std::string bytes(1, static_cast<char>(piece_bytes << 3 | passing));
  bytes.append(reinterpret_cast<const char*>(&greeting), sizeof greeting);
  write(name, bytes);
}

void write_greetings() {
  namespace stream = ross::fabric::stream;
  const stream::Preamble preamble = stream::make_preamble({.head_bytes_max = 4096, .payload_bytes_max = 1 << 22});
  write_greeting("stream", 0, 0, preamble);
  write_greeting("stream_in_pieces", 0, 7, preamble);
  stream::Preamble refusal = preamble;
  refusal.error = 13;
  write_greeting("stream_refused", 0, 0, refusal);
  shm::Hello hello{
      .magic = shm::kMagic, .version = shm::kVersion, .flags = 0, .ring_bytes = shm::kRingBytesMin, .link = 1};
  write_greeting("shm", 1, 0, hello);
  write_greeting("shm_in_pieces", 1, 9, hello);
  write_greeting("shm_without_memory", 0, 0, hello);
  write_greeting("shm_with_a_device", 4, 0, hello);
  hello.flags = shm::kSharesWindows;
  write_greeting("shm_windows", 3, 0, hello);
  hello.ring_bytes *= 2;
  write_greeting("shm_of_another_size", 3, 0, hello);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS\n", argc > 0 ? argv[0] : "make_corpus");
    return 2;
  }
  struct Part {
    const char* name;
    void (*write)();
  };
  for (const Part& part : {Part{"wire", write_wire}, Part{"shm", write_shm}, Part{"greeting", write_greetings},
                           Part{"ofi", write_ofi}, Part{"ofi_local", write_ofi_local}, Part{"ucx", write_ucx}}) {
    folder = std::filesystem::path(argv[1]) / part.name;
    std::filesystem::create_directories(folder);
    part.write();
  }
  return 0;
}
