"""The command line of the installed package: `hpnets train --model ccp`. Nothing here imports torch before it must."""
