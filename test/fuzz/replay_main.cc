// Goal: a fuzz target is exercised in every build, without libFuzzer.
// Method: each file of the corpus as it is, then seeded mutations of them (flipped bits, replaced, removed, doubled
// and appended pieces), a fixed number of rounds, so that a run is bounded and can be replayed.
//
//   url_fuzz CORPUS [SEED [ROUNDS]]

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::uint64_t kRounds = 100'000;  // at most some seconds for a decoder worth the name
constexpr std::size_t kInputBytesMax = 64 * 1024;

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> read_corpus(const char* folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());  // the same order on every machine, or a seed would not replay
  std::vector<Bytes> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

void mutate(Bytes& input, const std::vector<Bytes>& corpus, ross::Random& random) {
  const std::size_t at = input.empty() ? 0 : random.below(input.size());
  const std::size_t length = input.empty() ? 0 : 1 + random.below(std::min<std::size_t>(input.size() - at, 16));
  const auto begin = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random.below(6)) {
    case 0:
      if (!input.empty()) input[at] ^= static_cast<std::uint8_t>(1U << random.below(8));
      break;
    case 1:
      for (std::size_t i = 0; i < length; ++i) input[at + i] = static_cast<std::uint8_t>(random.below(256));
      break;
    case 2:
      // Numbers at their edges are where decoders go wrong.
      for (std::size_t i = 0; i < length; ++i) input[at + i] = random.below(2) == 0 ? 0x00 : 0xff;
      break;
    case 3:
      input.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
      break;
    case 4: {
      const Bytes piece(begin, begin + static_cast<std::ptrdiff_t>(length));
      input.insert(begin, piece.begin(), piece.end());
      break;
    }
    default: {
      const Bytes& other = corpus[random.below(corpus.size())];
      const std::size_t half = other.empty() ? 0 : random.below(other.size());
      input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(half), other.end());
      break;
    }
  }
  if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<Bytes> corpus = argc > 1 ? read_corpus(argv[1]) : std::vector<Bytes>{};
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: %s CORPUS [SEED [ROUNDS]], where the folder CORPUS has files\n", argv[0]);
    return 2;
  }
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1;
  const std::uint64_t rounds = argc > 3 ? std::strtoull(argv[3], nullptr, 0) : kRounds;
  std::printf("%zu inputs, then %llu mutations from seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(seed));
  std::fflush(stdout);  // a crash must not take the seed with it
  LLVMFuzzerTestOneInput(nullptr, 0);
  for (const Bytes& input : corpus) LLVMFuzzerTestOneInput(input.data(), input.size());
  ross::Random random(seed);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Bytes input = corpus[random.below(corpus.size())];
    for (std::uint64_t i = random.below(4) + 1; i > 0; --i) mutate(input, corpus, random);
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  return 0;
}
