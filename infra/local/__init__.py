"""An AWS on this machine; ``python -m infra.local`` starts it, docs/local-aws.md says how.

============ =====================================================================================
facts        what is true: accounts, organisations, memberships, time
services     the services that MiniStack lacks, one class each; `registry` lists them
world.py     those services over one state; commands.py changes the facts from outside
described    a world read from a file
wire         AWS's protocols, by the service models botocore carries
gateway      one port for all: the services, faults, the call log, the control interface
ministack    the rest of AWS, corrected
process.py   starting it from another program
operations   docs/local-aws.md, from the code and local-aws.template.md
============ =====================================================================================
"""
