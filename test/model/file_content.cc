#include "file_content.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/units.h"

namespace ross::model {

void FileContent::read(std::uint64_t offset_bytes, std::uint64_t size_bytes, const memory::Memory& into) const {
  for (std::uint64_t done = 0; done < size_bytes;) {
    const std::uint64_t at = offset_bytes + done;
    const std::uint64_t within = at % kPageBytes;
    const std::uint64_t step = std::min(kPageBytes - within, size_bytes - done);
    const auto page = pages_.find(at / kPageBytes);
    if (page == pages_.end()) {
      into.fill_zero(done, step);
    } else {
      into.copy_in(done, std::span<const std::byte>(*page->second).subspan(within, step));
    }
    done += step;
  }
}

void FileContent::write(std::uint64_t offset_bytes, const memory::Memory& from) {
  reserve(offset_bytes, offset_bytes + from.size_bytes());
  for (std::uint64_t done = 0; done < from.size_bytes();) {
    const std::uint64_t at = offset_bytes + done;
    const std::uint64_t within = at % kPageBytes;
    const std::uint64_t step = std::min(kPageBytes - within, from.size_bytes() - done);
    from.copy_out(done, std::span<std::byte>(edit(at / kPageBytes)).subspan(within, step));
    done += step;
  }
}

void FileContent::cut(std::uint64_t size_bytes) {
  const std::uint64_t keep = round_up(size_bytes, kPageBytes) / kPageBytes;
  pages_.erase(pages_.lower_bound(keep), pages_.end());
  allocated_.erase(keep, UINT64_MAX);
  if (size_bytes % kPageBytes != 0) zero_within(size_bytes / kPageBytes, size_bytes % kPageBytes, kPageBytes);
}

void FileContent::zero(std::uint64_t begin, std::uint64_t end, bool keep_space) {
  if (begin >= end) return;
  const std::uint64_t first_whole = round_up(begin, kPageBytes) / kPageBytes;
  const std::uint64_t last_whole = end / kPageBytes;
  if (first_whole > last_whole) {  // both ends in one page
    zero_within(last_whole, begin % kPageBytes, end % kPageBytes);
  } else {
    if (begin % kPageBytes != 0) zero_within(begin / kPageBytes, begin % kPageBytes, kPageBytes);
    if (end % kPageBytes != 0) zero_within(last_whole, 0, end % kPageBytes);
    pages_.erase(pages_.lower_bound(first_whole), pages_.lower_bound(last_whole));
    if (!keep_space) allocated_.erase(first_whole, last_whole);
  }
  if (keep_space) reserve(begin, end);
}

void FileContent::reserve(std::uint64_t begin, std::uint64_t end) {
  if (begin < end) allocated_.insert(begin / kPageBytes, round_up(end, kPageBytes) / kPageBytes);
}

std::uint64_t FileContent::bytes_to_take(std::uint64_t begin, std::uint64_t end) const {
  if (begin >= end) return 0;
  const std::uint64_t first = begin / kPageBytes;
  const std::uint64_t last = round_up(end, kPageBytes) / kPageBytes;
  return (last - first - allocated_.count_in(first, last)) * kPageBytes;
}

std::optional<std::uint64_t> FileContent::next_data(std::uint64_t offset_bytes) const {
  const auto page = pages_.lower_bound(offset_bytes / kPageBytes);
  if (page == pages_.end()) return std::nullopt;
  return std::max(offset_bytes, page->first * kPageBytes);
}

std::uint64_t FileContent::next_hole(std::uint64_t offset_bytes) const {
  std::uint64_t index = offset_bytes / kPageBytes;
  auto page = pages_.find(index);
  if (page == pages_.end()) return offset_bytes;
  while (page != pages_.end() && page->first == index) {
    ++page;
    ++index;
  }
  return index * kPageBytes;
}

FileContent::Page& FileContent::edit(std::uint64_t index) {
  std::shared_ptr<Page>& page = pages_[index];
  if (page == nullptr) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

void FileContent::zero_within(std::uint64_t index, std::uint64_t begin, std::uint64_t end) {
  if (pages_.contains(index)) std::memset(edit(index).data() + begin, 0, end - begin);
}

}  // namespace ross::model
