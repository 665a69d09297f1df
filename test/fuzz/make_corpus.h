// What the parts of make_corpus share. Threading: one thread.
#pragma once

#include <string_view>

// Writes an input into the folder of the part that is being written.
void write(std::string_view name, std::string_view bytes);

// steps_corpus.cc
void write_ofi();
void write_ofi_local();
void write_ucx();
