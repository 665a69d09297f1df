#!/bin/sh
# In the guest, on the build machine's own files: makes an emulated RDMA card and runs the programs that are asked for.
#
# /mnt is shared with run.py, which puts a script NAME.sh there for each program, and finds NAME.log and NAME.status.
# The console tells how far it is.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8
address=10.77.0.1

# Frames of 4 KiB: every packet is emulated.
ip link set lo up
ip link add rdma0 type dummy &&
  ip link set rdma0 mtu 9000 &&
  ip address add $address/24 dev rdma0 &&
  ip link set rdma0 up &&
  rdma link add rxe0 type rxe netdev rdma0 ||
  echo "guest: there is no RDMA device"
# As udev would: whoever has locked memory may use the card.
chmod 666 /dev/infiniband/*
ulimit -l unlimited
# By itself UCX makes room for 4096 frames of 8 and of 4 KiB at every worker, and each page of it is emulated.
export UCX_RC_VERBS_RX_QUEUE_LEN=512 UCX_UD_VERBS_RX_QUEUE_LEN=256

for script in /mnt/*.sh; do
  name=$(basename "$script" .sh)
  echo "guest: begin $name"
  ROSS_RDMA_ADDRESS=$address sh "$script" >"/mnt/$name.log" 2>&1 </dev/null
  status=$?
  echo "$status" >"/mnt/$name.status"
  echo "guest: end $name $status"
done
echo "guest: done"
sync
echo o >/proc/sysrq-trigger
