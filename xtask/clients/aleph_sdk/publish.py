"""Publishes to a node with the Aleph network's own client, and reads back what the node has taken.

Usage: publish.py URL CHANNEL

Prints `ok NAME` for each check and `N passed` at the end; anything that goes wrong is a traceback.
"""

import asyncio
import hashlib
import sys

from aleph.sdk import AlephHttpClient, AuthenticatedAlephHttpClient
from aleph.sdk.chains.ethereum import ETHAccount
from aleph.sdk.chains.sol import SOLAccount
from aleph.sdk.exceptions import InvalidMessageError, MessageNotFoundError
from aleph.sdk.query.filters import MessageFilter
from aleph_message.models import AggregateMessage, MessageType, PostMessage
from aleph_message.status import MessageStatus

passed = 0


def check(name, condition, shown=None):
    global passed
    if not condition:
        raise AssertionError(f"{name}: {shown!r}")
    print(f"ok {name}", flush=True)
    passed += 1


async def main(url, channel):
    accounts = [
        ETHAccount(private_key=hashlib.sha256(b"aerolith sdk check").digest()),
        SOLAccount(private_key=hashlib.sha256(b"aerolith sdk check").digest()),
    ]
    hashes = []
    for account in accounts:
        chain = account.CHAIN
        async with AuthenticatedAlephHttpClient(account=account, api_server=url) as client:
            for sync in (False, True):
                post, status = await client.create_post(
                    post_content={"text": f"from {chain}", "sync": sync},
                    post_type="greeting",
                    channel=channel,
                    sync=sync,
                )
                check(f"post_{chain}_{sync}", status == MessageStatus.PROCESSED, status)
                hashes.append(post.item_hash)
            aggregate, status = await client.create_aggregate(
                key="profile", content={"name": "somebody"}, channel="elsewhere", sync=True
            )
            check(f"aggregate_{chain}", status == MessageStatus.PROCESSED, status)

    async with AlephHttpClient(api_server=url) as client:
        for item_hash in hashes:
            message, status = await client.get_message(item_hash, PostMessage, with_status=True)
            check("read_back", message.item_hash == item_hash and status == "processed", message)
        check("status", await client.get_message_status(hashes[0]) == MessageStatus.PROCESSED)
        page = await client.get_messages(
            message_filter=MessageFilter(channels=[channel], message_types=[MessageType.post])
        )
        found = {message.item_hash for message in page.messages}
        check("page", set(hashes) <= found and page.pagination_total == len(found), found)
        page = await client.get_messages(
            message_filter=MessageFilter(hashes=[aggregate.item_hash])
        )
        is_aggregate = [type(message) for message in page.messages] == [AggregateMessage]
        check("page_by_hash", is_aggregate, page)
        try:
            await client.get_message("00" * 32)
            check("unknown", False)
        except MessageNotFoundError:
            check("unknown", True)

    # A message that was changed after it was signed.
    async with AuthenticatedAlephHttpClient(account=accounts[0], api_server=url) as client:
        message = await client.generate_signed_message(
            message_type=MessageType.post,
            content={
                "address": accounts[0].get_address(),
                "time": 1.0,
                "type": "greeting",
                "content": {"text": "signed"},
            },
            channel=channel,
        )
        forged = message.model_copy(update={"signature": "0x" + "11" * 65})
        try:
            await client._broadcast(message=forged, sync=True)
            check("forged", False)
        except InvalidMessageError as error:
            check("forged", "signature" in str(error), str(error))
    print(f"{passed} passed", flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2]))
