// What a backend of the fabric says about itself to be put through the suite.
//
// A program that runs the suite links ross_fabric_conformance whole and defines backends(). What a backend can do it says
// in its Traits; here stands only how a test gets hold of it. Each test gets a Fixture of its own.
//
// The suite drives every loop itself. Tests of other processes run the same functions in a child that was forked before
// anything of the backend was touched: so backends() itself starts no thread and opens no library.
//
// Ownership: a Fixture owns its domains and outlives their endpoints. Threading: owner thread; a domain any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "fabric/endpoint.h"
#include "runtime/loop.h"

namespace ross::fabric::conformance {

class Fixture {
 public:
  virtual ~Fixture() = default;
  // Of side 0 and side 1, which talk to each other: two domains, or twice the same.
  virtual Domain& domain(int side) = 0;
  // For EndpointOptions::listen of that side: a place where nobody listens yet, another one in each call.
  virtual std::string listen_address(int side) = 0;
  // An address in the right form where nobody listens.
  virtual std::string nobody_address() = 0;
  // An address where something takes connections and says nothing, until the fixture is gone. Empty: there is no such thing.
  virtual std::string silent_address() { return {}; }
  // The loops of endpoints; a simulated backend has a clock of its own.
  virtual Result<std::unique_ptr<runtime::Loop>> make_loop() { return runtime::Loop::create(); }
};

struct Backend {
  std::string name;  // of the tests: letters, digits and underscores
  // Endpoints of one domain may live on loops of several threads.
  bool threads = true;
  // Another process with a domain of its own can connect to an address of ours.
  bool processes = true;
  // Why this machine cannot run it; empty: it can. Asked once before the first test. Null: every machine can.
  std::function<std::string()> skip;
  std::function<Result<std::unique_ptr<Fixture>>()> make;
};

// For random choices in the test that runs: ROSS_SEED or a new one, which is printed when the test fails.
std::uint64_t test_seed();

// Defined by the program.
const std::vector<Backend>& backends();

}  // namespace ross::fabric::conformance
