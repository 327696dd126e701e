#!/bin/sh
# The short form of t/hostile/crowd.py: does the crowd still come, is everybody
# served? Its long form (make hostile) measures.
exec "$(dirname "$0")/hostile/crowd.py" --short
