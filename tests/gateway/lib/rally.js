// Followings of one topic that surely follow it.

import { until } from '../../e2e/lib/wait.js';

/** What follows the events of a topic. */
export const eventsOf = (topic) => ({
  query: 'subscription ($topic: String!) { events(topic: $topic) { value } }',
  variables: { topic },
});

let last = 0;

/**
 * One event that all of them get, published only when all of them have heard of the topic: who shares a
 * subscription of the gateway cannot be counted at the service. Gives to how many sources it went.
 */
export async function rally(service, topic, followings) {
  // Anew: a connection may have been lost since they heard of it last.
  const before = new Map(followings.map((following) => [following, following.inbox.history.length]));
  const heard = (following) => following.inbox.history.length > before.get(following);
  await until('everybody hears of the topic', async () => {
    await service.publish(topic, 'rally');
    return followings.every(heard);
  });
  const value = (last += 1);
  const count = await service.publish(topic, value);
  for (const { inbox } of followings) {
    await inbox.takeUntil(`event ${value}`, (event) => {
      const got = event.next?.data?.events?.value;
      if (got === undefined) throw new Error(`no event: ${JSON.stringify(event)}`);
      if (got !== value && got !== 'rally') throw new Error(`not event ${value}: ${got}`);
      return got === value;
    });
  }
  return count;
}
