"""The device that tests of kernels compute on: the CPU, or the one that HPNETS_TEST_DEVICE names."""

import os

DEVICE = os.environ.get("HPNETS_TEST_DEVICE", "cpu")
