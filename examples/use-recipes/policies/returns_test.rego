package returns_test

import data.returns

test_clerk if returns.allow with input as {"role": "clerk", "days": 30, "amount": 200}

test_clerk_too_late if not returns.allow with input as {"role": "clerk", "days": 31, "amount": 1}

test_manager if returns.allow with input as {"role": "manager", "days": 60, "amount": 999}
