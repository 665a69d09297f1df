// An endpoint of libfabric's own beside one of ours, in its domain: what a peer could do that does not run our code.
//
// Ownership: what is posted at it lives until it is destroyed, so it is the last member of whoever has it. Threading: one thread.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "fabric/ofi/domain.h"

namespace ross::fabric::ofi {

struct Bare {
  Info info;
  Fid<fid_av> av;
  Fid<fid_cq> cq;
  fi_addr_t target = 0;
  Fid<fid_ep> ep;

  // at: the address of an endpoint of that domain's provider.
  Bare(OfiDomain& domain, const std::string& at) {
    info = *domain.provider().at("", domain.domain());
    fi_av_attr table{};
    table.type = FI_AV_TABLE;
    fid_av* made_av = nullptr;
    EXPECT_EQ(fi_av_open(domain.domain(), &table, &made_av, nullptr), 0);
    av.reset(made_av);
    fi_cq_attr queueing{};
    queueing.format = FI_CQ_FORMAT_DATA;
    fid_cq* made_cq = nullptr;
    EXPECT_EQ(fi_cq_open(domain.domain(), &queueing, &made_cq, nullptr), 0);
    cq.reset(made_cq);
    fid_ep* made_ep = nullptr;
    EXPECT_EQ(fi_endpoint(domain.domain(), info.get(), &made_ep, nullptr), 0);
    ep.reset(made_ep);
    EXPECT_EQ(fi_ep_bind(ep.get(), &av->fid, 0), 0);
    EXPECT_EQ(fi_ep_bind(ep.get(), &cq->fid, FI_TRANSMIT | FI_RECV), 0);
    EXPECT_EQ(fi_enable(ep.get()), 0);
    const std::string raw = *parse_address(info->addr_format, at);
    EXPECT_EQ(fi_av_insert(av.get(), raw.data(), 1, &target, 0, nullptr), 1);
  }
};

}  // namespace ross::fabric::ofi
