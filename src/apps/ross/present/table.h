// Table: short lists in columns as wide as they need; numbers to the right. Threading: owner thread.
//
//   Table table({"NAME", ">SIZE"});
//   table.row({"pool0", "64.0 GiB"});
//   out.text(table.text());
#pragma once

#include <string>
#include <vector>

namespace ross::cli {

class Table {
 public:
  // A heading that begins with '>' makes a column of numbers.
  explicit Table(std::vector<std::string> headings);
  void row(std::vector<std::string> cells);
  [[nodiscard]] std::string text() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace ross::cli
