// ross get: an object becomes a file of the host, whole or not at all, or goes to standard output.
#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/copy/host_sink.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/stream.h"

namespace ross::cli {
namespace {

struct GetOptions {
  std::string object;
  std::string file = "-";
};

Status get_to_output(Context& context, Volume& volume, const std::string& path) {
  return read_out(volume, path, [&](std::span<const std::byte> piece) {
    context.out.bytes({reinterpret_cast<const char*>(piece.data()), piece.size()});
    return context.out.failed() ? Status(EPIPE) : Status();
  });
}

Status get_to_file(Context& context, Volume& volume, const Location& from, const std::string& file) {
  const auto attr = volume.resolve(from.path, fs::Follow::kYes);
  if (!attr.has_value()) return about(from.text, attr.error());
  const std::size_t slash = file.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  auto root = copy::HostSink::open_root(directory);
  if (!root.has_value()) return about(directory, root.error());
  copy::HostSink sink;
  const std::string name = slash == std::string::npos ? file : file.substr(slash + 1);
  if (name.empty()) return about(file, Status(EISDIR));
  auto made = volume.wait(sink.create(**root, name, *attr));
  if (!made.has_value()) return about(file, made.error());
  copy::SinkFile& out = **made;
  std::uint64_t at = 0;
  Status status = read_out(volume, from.path, [&](std::span<const std::byte> piece) {
    Status written = volume.wait(out.write(at, piece));
    at += piece.size();
    return about(file, written);
  });
  if (!status.ok()) {
    static_cast<void>(volume.wait(out.abandon()));
    return status.error() == EINTR ? Status() : about(from.text, status);
  }
  const auto committed = volume.wait(out.commit(*attr, {}));
  if (!committed.has_value()) return about(file, committed.error());
  Json json;
  put_name(json, "file", file);
  json["bytes"] = at;
  context.out.object(json, "");
  return {};
}

Status get(Context& context, const GetOptions& options) {
  auto opened = context.open(options.object);
  if (!opened.has_value()) return about(options.object, opened.error());
  auto& [location, volume] = *opened;
  if (options.file != "-") return get_to_file(context, volume, location, options.file);
  return about(options.object, get_to_output(context, volume, location.path));
}

}  // namespace

void add_get(Commands& commands) {
  auto options = std::make_shared<GetOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("get", "Fetch an object into a file of the host");
  command.option("OBJECT", options->object, "The object").required();
  command.option("FILE", options->file, "The host's file; - (the default) is standard output");
  command.on_run([options](Context& context) { return get(context, *options); });
}

}  // namespace ross::cli
