"""Incidents (事件单): what the portal saw go wrong by itself, for somebody to take on and to end.

`rules` says what is watched and whom it calls, `raising` keeps one open incident a rule and
subject, `voting_portal/detection.py` looks.
"""
