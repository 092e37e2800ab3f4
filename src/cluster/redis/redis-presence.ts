/**
 * Who is there, at a Redis server: a hash for each topic's members, one for the leases of all nodes, and a channel for each
 * topic's changes.
 *
 * In a topic's hash the field of a member has `lease data`, and the field without a name the version. In the hash of the
 * leases a field has the time at which the lease ends, and the field without a name three numbers: since when nodes have
 * reached the server without a pause in which leases may have ended, when one did last, and how long leases are.
 */

import type { BrokerEvents } from "../broker/broker.ts";
import type { Leases, MemberChange, PresencePage, PresenceStep, PresenceStore } from "../broker/presence-store.ts";
import type { Argument } from "./clients.ts";
import { type Script, script } from "./scripts.ts";

/** What the store needs of its broker. */
export interface RedisPresenceBroker {
  /** The hash of the leases. */
  readonly leasesKey: string;
  /** Publishes to a channel; `PUBLISH`, or `SPUBLISH` in a cluster of servers. */
  readonly publishCommand: string;
  /** What a topic's own keys and channels begin with. */
  channelOf(topic: string): string;
  run(script: Script, keys: readonly string[], given: readonly Argument[]): Promise<unknown>;
  /** Has messages of the channels given to the function. */
  subscribe(channels: ReadonlyMap<string, (data: Buffer) => void>): Promise<void>;
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** What the store tells; undefined before it is connected. */
  readonly events: BrokerEvents | undefined;
}

/** How long members are kept that nobody touches, in milliseconds: an hour. */
const membersTtl = "3600000";

const clock = `
local t = c('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)`;

/** Sets `since` to when the nodes' present time with the server began, and remembers that one is here now. */
const heard = `
local since, last, length = string.match(c('HGET', K, '') or '', '^(%d+) (%d+) (%d+)$')
if not since or now - last > length / 2 then since = now end
if given and given ~= '0' then length = given end
c('HSET', K, '', string.format('%.0f %.0f %s', since, now, length or '0'))`;

/** KEYS: leases. ARGV: lease, duration, 1 to begin it. Returns 1 where it is held. */
const leaseScript = script(`
local c, K, A = redis.call, KEYS[1], ARGV${clock}
local given = A[2]${heard}
local ends = tonumber(c('HGET', K, A[1]) or '0')
if A[3] ~= '1' and ends <= now then return 0 end
if A[2] == '0' then c('HDEL', K, A[1]) else c('HSET', K, A[1], string.format('%.0f', now + A[2])) end
return 1`);

/** KEYS: leases. Returns for how long nodes have reached the server, and the leases that are held; the others go. */
const leasesScript = script(`
local c, K, given = redis.call, KEYS[1], nil${clock}${heard}
local all, out = c('HGETALL', K), {string.format('%.0f', now - since)}
for i = 1, #all, 2 do
  if all[i] ~= '' and tonumber(all[i + 1]) > now then out[#out + 1] = all[i]
  elseif all[i] ~= '' then c('HDEL', K, all[i]) end
end
return out`);

/** KEYS: members. ARGV: channel, ttl, PUBLISH or SPUBLISH, then for each change the id, its lease, and its data or nothing. */
const updateScript = script(`
local c, H, A = redis.call, KEYS[1], ARGV${clock}
local out = {}
for i = 4, #A, 3 do
  local id, value = A[i], A[i + 1] .. ' ' .. A[i + 2]
  local before = c('HGET', H, id)
  if A[i + 2] == '' then
    if before and string.sub(before, 1, #value) == value then
      c('HDEL', H, id)
      out[#out + 1] = id .. ' ' .. value
    end
  elseif before ~= value then
    c('HSET', H, id, value)
    out[#out + 1] = id .. ' ' .. value
  end
end
if #out > 0 then
  local prev = tonumber(c('HGET', H, '') or '0')
  local version = string.format('%.0f', math.max(prev + 1, now * 1024))
  c('HSET', H, '', version)
  c(A[3], A[1], string.format('%.0f', prev) .. ' ' .. version .. '\\n' .. table.concat(out, '\\n'))
end
c('PEXPIRE', H, A[2])`);

/** KEYS: members. ARGV: ttl, the version that is known or nothing. Returns the hash, or only its version where that is known. */
const readScript = script(`
local c, H, A = redis.call, KEYS[1], ARGV
c('PEXPIRE', H, A[1])
if A[2] ~= '' then
  local version = c('HGET', H, '') or '0'
  if version == A[2] then return version end
end
return c('HGETALL', H)`);

/** See the head of this file. */
export class RedisPresence implements PresenceStore {
  readonly #broker: RedisPresenceBroker;

  constructor(broker: RedisPresenceBroker) {
    this.#broker = broker;
  }

  async subscribe(topics: readonly string[]): Promise<void> {
    await this.#broker.subscribe(
      new Map(topics.map((topic) => [this.#channelOf(topic), (data) => this.#take(topic, data)])),
    );
  }

  async unsubscribe(topics: readonly string[]): Promise<void> {
    await this.#broker.unsubscribe(topics.map((topic) => this.#channelOf(topic)));
  }

  async lease(name: string, duration: number, begins: boolean): Promise<boolean> {
    const given = [name, `${Math.ceil(duration)}`, begins ? "1" : "0"];
    return (await this.#broker.run(leaseScript, [this.#broker.leasesKey], given)) === 1;
  }

  async leases(): Promise<Leases> {
    const answer = (await this.#broker.run(leasesScript, [this.#broker.leasesKey], [])) as Buffer[];
    const [age, ...held] = answer.map(String);
    return { held, age: Number(age) };
  }

  async update(topic: string, changes: readonly MemberChange[]): Promise<void> {
    const { publishCommand } = this.#broker;
    const given = changes.flatMap(({ id, lease, data = "" }) => [id, lease, data]);
    const channel = this.#channelOf(topic);
    await this.#broker.run(updateScript, [this.#keyOf(topic)], [channel, membersTtl, publishCommand, ...given]);
  }

  async read(topic: string, known?: number): Promise<PresencePage> {
    const given = [membersTtl, known === undefined ? "" : `${known}`];
    const answer = await this.#broker.run(readScript, [this.#keyOf(topic)], given);
    if (!Array.isArray(answer)) return { version: Number(String(answer)), members: undefined };
    const texts = answer.map(String);
    let version = 0;
    const members = [];
    for (let index = 0; index < texts.length; index += 2) {
      const [id = "", value = ""] = texts.slice(index, index + 2);
      if (id === "") version = Number(value);
      else members.push(parseMember(`${id} ${value}`));
    }
    return { version, members: members.filter(({ data }) => data !== undefined) as PresencePage["members"] };
  }

  #take(topic: string, data: Buffer): void {
    const [head = "", ...lines] = data.toString().split("\n");
    const [prev, version] = head.split(" ").map(Number);
    const step = { prev, version, changes: lines.map(parseMember) } as PresenceStep;
    if (Number.isSafeInteger(prev) && Number.isSafeInteger(version)) this.#broker.events?.presence(topic, step);
  }

  #keyOf(topic: string): string {
    return `${this.#broker.channelOf(topic)}:p`;
  }

  #channelOf(topic: string): string {
    return `${this.#broker.channelOf(topic)}:e`;
  }
}

function parseMember(text: string): MemberChange {
  const [id = "", lease = ""] = text.split(" ", 2);
  const data = text.slice(id.length + lease.length + 2);
  return { id, lease, data: data === "" ? undefined : data };
}
