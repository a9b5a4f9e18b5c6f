# SPDX-License-Identifier: MIT
"""check_mime.py DIR NAME TYPE ...: does DIR/message.eml have the parts DIR/part-0 and so on?"""
import email
import email.policy
import sys

directory, rest = sys.argv[1], sys.argv[2:]
wanted = list(zip(rest[0::2], rest[1::2]))

with open(f"{directory}/message.eml", "rb") as f:
    # From bytes: reading a file would turn CR LF into LF.
    message = email.message_from_bytes(f.read(), policy=email.policy.default)

assert not message.defects, message.defects
assert message["From"].addresses[0].addr_spec == "alice@a.com", message["From"]
assert message["To"].addresses[0].addr_spec == "bob@a.com", message["To"]
assert message["Subject"] == "Lunch", message["Subject"]
assert message["Date"].datetime.year == 2026, message["Date"]

parts = list(message.iter_parts()) if message.is_multipart() else [message]
assert len(parts) == len(wanted), f"{len(parts)} parts"
for i, (part, (name, kind)) in enumerate(zip(parts, wanted)):
    with open(f"{directory}/part-{i}", "rb") as f:
        octets = f.read()
    assert not part.defects, part.defects
    assert part.get_payload(decode=True) == octets, f"part {i} differs"
    assert part.get_filename() == name, part.get_filename()
    kind = kind or ("text/plain" if i == 0 else "application/octet-stream")
    assert part.get_content_type() == kind.split(";")[0], part.get_content_type()
