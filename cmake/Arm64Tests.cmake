# What the step arm64 of ./check builds and runs in emulation: what a DPU's cores run, which is everything but the engine, and the
# libraries of programs; of the suites those over our own fabrics and libfabric's tcp. Engine tests want an io_uring, which qemu's
# emulation of one process does not have; suites that only compute take ten times as long there and find nothing that these do not.
set(ROSS_ARM64_TESTS
  # base, identity, runtime, memory, wire, fs
  base_test status_test tenants_test pki_test loop_test memory_test message_test path_test object_test change_id_test
  # fabric
  socket_channel_test stream_test shm_test shm_hostile_test shm_order_test fabric_ofi_test
  fabric_conformance_tcp fabric_conformance_shm fabric_conformance_sim fabric_conformance_ofi_tcp
  # client, server, agent
  fair_queue_test limits_test comeback_test recovery_test config_test
  fs_conformance_remote_tcp fs_conformance_remote_shm fs_conformance_agent_tcp
  remote_data_tcp remote_data_shm remote_data_ofi_tcp agent_data_tcp agent_data_shm agent_direct_data_tcp agent_direct_data_shm
  # the libraries of programs
  c_api_test queue_test dfs_face_test)

# Those of them that map memory run once more under a kernel of large pages, as some distributions of arm64 have it.
set(ROSS_LARGE_PAGES_TESTS shm_test shm_hostile_test shm_order_test fabric_conformance_shm)

# These tests and what runs on a DPU or asks it, as one target.
add_custom_target(arm64_tests)

# ross_arm64_test(NAME): gives a test of that list its label.
function(ross_arm64_test name)
  if(CMAKE_CROSSCOMPILING AND name IN_LIST ROSS_ARM64_TESTS)
    add_dependencies(arm64_tests ${name})
    get_test_property(${name} LABELS labels)
    set_tests_properties(${name} PROPERTIES LABELS "${labels};arm64")
    if(name IN_LIST ROSS_LARGE_PAGES_TESTS)
      add_test(NAME ${name}_large_pages COMMAND ${name} --gtest_brief=1 --gtest_filter=-*Slow*)
      set_tests_properties(${name}_large_pages PROPERTIES LABELS arm64 TIMEOUT 300 ENVIRONMENT QEMU_PAGESIZE=65536)
    endif()
  endif()
endfunction()
