#!/usr/bin/python3
"""The short form of the queue's campaign, t/queue/campaign.py."""
import os
import sys

CAMPAIGN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "queue",
                        "campaign.py")
os.execv(sys.executable, [sys.executable, CAMPAIGN, "--short"])
