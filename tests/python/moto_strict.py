"""moto's server, with IAM enforced: keys that are not active authenticate nobody.

moto 5.2.5 looks a key up without regard to its status, so a key that was made
inactive would go on working and no test could see it die.
"""

import sys

from moto.iam import access_control
from moto.server import main

looked_up = access_control.IAMUserAccessKey.__init__


def active_only(self, account_id, partition, access_key_id, headers):
    backend = access_control.iam_backends[account_id][partition]
    keys = (key for user in backend.users.values() for key in user.access_keys)
    if any(key.access_key_id == access_key_id and key.status != "Active" for key in keys):
        raise access_control.CreateAccessKeyFailure(reason="InvalidId")
    looked_up(self, account_id, partition, access_key_id, headers)


access_control.IAMUserAccessKey.__init__ = active_only
main(sys.argv[1:])
