// Container: the engine's FileSystem: one container's namespace and files.
//
// Its operations stand one group to a file: names/ (lookup, create, remove, rename, readdir, attributes, xattrs, locks) and data/
// (open, read, write, allocate, seek, reclaim, sync). fs/file_system.h is their contract.
//
// Every operation has the same shape: take the mutex; admit (changing ones); check; change memory; give the mutex back; wait
// for devices where data is concerned; take it again, check again, apply.
//
// Ownership: the caller's; borrows the pool's Core, which it must not outlive. Threading: any thread that drives a loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core.h"
#include "fs/file_system.h"

namespace ross::engine {

class Container final : public fs::FileSystem {
 public:
  Container(Core& core, format::ContainerId id);  // mutex held
  ~Container() override;

  fs::Async<fs::Attr> lookup(const fs::Credential& cred, fs::NodeId parent, std::string_view name) override;
  fs::Async<fs::NodeId> parent(fs::NodeId node) override;
  fs::Async<fs::Attr> mkdir(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                            std::uint32_t mode) override;
  fs::Async<fs::Attr> mknod(const fs::Credential& cred, fs::NodeId parent, std::string_view name, std::uint32_t mode,
                            std::uint64_t rdev) override;
  fs::Async<fs::Attr> symlink(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                              std::string_view target) override;
  fs::Async<std::string> readlink(fs::NodeId node) override;
  fs::Async<fs::Attr> link(const fs::Credential& cred, fs::NodeId node, fs::NodeId parent,
                           std::string_view name) override;
  fs::AsyncStatus unlink(const fs::Credential& cred, fs::NodeId parent, std::string_view name) override;
  fs::AsyncStatus rmdir(const fs::Credential& cred, fs::NodeId parent, std::string_view name) override;
  fs::AsyncStatus rename(const fs::Credential& cred, fs::NodeId parent, std::string_view name, fs::NodeId new_parent,
                         std::string_view new_name, fs::RenameFlags flags) override;
  fs::Async<std::vector<fs::DirEntry>> readdir(const fs::Credential& cred, fs::NodeId directory,
                                               const fs::ReaddirOptions& options) override;
  fs::Async<fs::Attr> getattr(fs::NodeId node) override;
  fs::Async<fs::Attr> setattr(const fs::Credential& cred, fs::NodeId node, const fs::SetAttr& change,
                              std::optional<fs::FileId> file) override;
  fs::AsyncStatus access(const fs::Credential& cred, fs::NodeId node, int mask) override;
  fs::Async<std::string> getxattr(const fs::Credential& cred, fs::NodeId node, std::string_view name) override;
  fs::AsyncStatus setxattr(const fs::Credential& cred, fs::NodeId node, std::string_view name, std::string_view value,
                           fs::XattrFlags flags) override;
  fs::Async<std::vector<std::string>> listxattr(const fs::Credential& cred, fs::NodeId node) override;
  fs::AsyncStatus removexattr(const fs::Credential& cred, fs::NodeId node, std::string_view name) override;
  fs::Async<fs::Opened> open(const fs::Credential& cred, fs::NodeId node, fs::OpenFlags flags) override;
  fs::Async<fs::Opened> create(const fs::Credential& cred, fs::NodeId parent, std::string_view name, std::uint32_t mode,
                               fs::OpenFlags flags) override;
  fs::Async<fs::Opened> create_unnamed(const fs::Credential& cred, fs::NodeId parent, std::uint32_t mode) override;
  fs::AsyncStatus publish(const fs::Credential& cred, fs::FileId file, fs::NodeId parent,
                          std::string_view name) override;
  fs::AsyncStatus close(fs::FileId file) override;
  fs::Async<std::uint64_t> read(fs::FileId file, std::uint64_t offset_bytes, memory::Memory into) override;
  fs::Async<bool> lend(fs::FileId file, std::uint64_t offset_bytes, std::uint64_t size_bytes, fs::Loan& loan) override;
  fs::Async<std::uint64_t> write(fs::FileId file, std::uint64_t offset_bytes, memory::Memory from) override;
  fs::AsyncStatus fallocate(fs::FileId file, fs::Fallocate kind, std::uint64_t offset_bytes,
                            std::uint64_t size_bytes) override;
  fs::Async<std::uint64_t> seek(fs::FileId file, fs::SeekKind kind, std::uint64_t offset_bytes) override;
  fs::AsyncStatus fsync(fs::FileId file, bool data_only) override;
  fs::AsyncStatus sync() override;
  fs::AsyncStatus lock(fs::FileId file, const fs::LockRange& range, bool wait) override;
  fs::Async<fs::LockRange> test_lock(fs::FileId file, const fs::LockRange& range) override;
  fs::AsyncStatus unlock_owner(fs::FileId file, std::uint64_t owner) override;
  fs::Async<fs::StatFs> statfs() override;

 private:
  struct OpenFile {
    Inode* inode = nullptr;  // null: the slot is free
    fs::OpenFlags flags;
    bool privileged = false;  // opened by uid 0: writes keep set-id bits
    std::uint32_t generation = 0;
  };
  [[nodiscard]] format::NodeKey key(fs::NodeId node) const { return {id_, node}; }
  [[nodiscard]] std::uint64_t hash(std::string_view name) const {
    return format::name_hash(state_.record.name_seed, name);
  }
  // All below: mutex held.
  Result<Inode*> find(fs::NodeId node) { return core_.nodes.find(key(node)); }
  Result<Inode*> find_directory(fs::NodeId node);
  Result<std::optional<format::EntryRecord>> find_entry(const Inode& directory, std::string_view name);
  // What a changing operation on a name needs: the directory, writable and searchable by cred, and the entry if there.
  struct NamePlace {
    Inode* directory;
    std::optional<format::EntryRecord> entry;
  };
  Result<NamePlace> find_place(const fs::Credential& cred, fs::NodeId parent, std::string_view name);
  Status may_remove(const fs::Credential& cred, const Inode& directory, const Inode& node) const;
  void put_entry(Inode& directory, std::string_view name, format::EntryRecord entry);
  void erase_entry(Inode& directory, std::string_view name);
  // A new inode, with mode, owner and group as POSIX has them for a child of directory. EDQUOT.
  Result<Inode*> make_node(const fs::Credential& cred, const Inode& directory, std::uint32_t mode);
  Result<Inode*> make_child(const fs::Credential& cred, fs::NodeId parent, std::string_view name, std::uint32_t mode);
  fs::Attr made(const fs::ChangeId& change_id, const Inode& node, bool created = false);
  // One name less; the node goes with its last one, when nobody has it open. A long file's blocks go afterwards: the node is
  // returned for reclaim().
  Result<Inode*> drop_link(Inode& node);
  // Deletes a node without names and opens, or returns it for reclaim() when that is too long for one go.
  Result<Inode*> delete_node(Inode& node);
  // Whether nothing keeps a node without names any more: whoever let go of it last calls reclaim().
  [[nodiscard]] bool unwanted(const Inode& node) const {
    return node.record.links == 0 && node.opens == 0 && node.pins == 0 && !node.gone && !core_.holding_orphans;
  }
  void set_orphan(const Inode& node, bool orphan);
  void touch(Inode& node, bool modified);  // ctime, and mtime when modified
  // The name of the change that begins, for Core::remember(). Without the mutex, as the first thing of a changing call.
  [[nodiscard]] fs::ChangeId take_change_id() const {
    return core_.options.serves_clients ? fs::take_change_id() : fs::ChangeId{};
  }
  [[nodiscard]] static fs::Attr attr_of(const Inode& inode);

  fs::AsyncStatus reclaim_closed(fs::NodeId node);  // takes the mutex itself
  // open(), as a call of its own or as the end of create(), whose name for the change it then gets.
  fs::Async<fs::Opened> open_for(const fs::Credential& cred, fs::NodeId node, fs::OpenFlags flags,
                                 const fs::ChangeId* created_as);
  fs::FileId open_node(const fs::Credential& cred, Inode& node, fs::OpenFlags flags);
  Result<OpenFile*> find_file(fs::FileId file);

  // data/blocks.cc: the mapping. Mutex held.
  Result<format::BlockRef> block_at(Inode& node, std::uint64_t block);
  // Maps block to ref and lets go of what was there. The segment must be in memory.
  void map_block(Inode& node, std::uint64_t block, format::BlockRef ref);
  void free_blocks(Inode& node, Segment& segment, std::uint32_t first, std::uint32_t end);
  static constexpr std::size_t kSegmentsPerSlice = 256;  // 64 MiB of file, about a millisecond
  // Frees what is mapped from segment `from` on, at most `most` segments; whether all is done.
  Result<bool> free_segments(Inode& node, std::uint32_t from, std::size_t most);
  runtime::Task<Status> reclaim(Lock& lock, Inode& node);  // unlocks between slices

  // data/change.cc: every change of content. Mutex held at call and return.
  struct Change;
  runtime::Task<Status> change(Lock& lock, Inode& node, Change& change);
  runtime::Task<Status> fetch_edges(Lock& lock, Inode& node, Change& change);
  Status prepare(Inode& node, Change& change);
  Status place_small(Inode& node, Change& change);
  runtime::Task<Status> place_direct(Lock& lock, Inode& node, Change& change);
  void copy_to_devices(Change& change);                 // mutex not held
  runtime::Task<int> write_to_devices(Change& change);  // mutex not held
  [[nodiscard]] bool still_right(Inode& node, const Change& change);
  [[nodiscard]] Status check_quota(std::uint64_t blocks) const;
  void apply(Inode& node, Change& change);

  // data/resize.cc
  runtime::Task<Status> resize(Lock& lock, Inode& node, std::uint64_t size_bytes);
  static Status tail_stuck();
  runtime::Task<Status> clean_tail(Lock& lock, Inode& node);
  runtime::Task<Status> reserve_range(Lock& lock, Inode& node, std::uint64_t begin, std::uint64_t end);

  // data/read.cc
  struct ReadPlan;
  struct DeviceRead;
  Result<std::uint64_t> plan_read(fs::FileId file, std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                  ReadPlan& plan);
  [[nodiscard]] const std::byte* mapped_block(format::BlockRef ref) const;
  Status read_mapped(const ReadPlan& plan);
  fs::Async<std::uint64_t> read_pieces(fs::FileId file, std::uint64_t offset_bytes, memory::Memory into);
  runtime::Task<Status> read_devices(ReadPlan& plan);
  // Reads one stored block and checks it. Mutex held at call and return, not between.
  runtime::Task<Status> read_block(Lock& lock, format::BlockRef ref, std::byte* into);

  friend class Recovery;  // finishes orphans when a pool opens
  Core& core_;
  const format::ContainerId id_;
  ContainerState& state_;        // guarded by the core's mutex
  std::vector<OpenFile> files_;  // guarded by the core's mutex
  std::vector<std::uint32_t> free_files_;
};

}  // namespace ross::engine
