/**
 * The chat view: a room's address, a name, and the talk, which can be read before one joins. Name and room are kept from one
 * visit to the next, and a tab that is in a room comes back into it. What people write is put on the page as text.
 */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import roomsCode from "../../server/chat/rooms.ts?cut=watch,tell&code";
import { NAME_LIMIT, ROOM_NAME, TEXT_LIMIT } from "../../server/messages.ts";
import routeCode from "../../server/routes.ts?cut=chatRoute&code";
import { BothEnds } from "../parts/code.tsx";
import { clock } from "../parts/format.ts";
import { recall, remember } from "../parts/remembered.ts";
import { StandingLine, useSocket } from "../parts/standing.tsx";
import type { Line, Stay } from "./room.ts";
import { OUTSIDE, Room } from "./room.ts";
import roomCode from "./room.ts?cut=connect,rejoin,say&code";

const FIRST_ROOM = "lobby";

const BROWSER = { file: "demo/page/chat/room.ts", text: roomCode };
const SERVER = {
  file: "demo/server/routes.ts and chat/rooms.ts",
  text: `${routeCode}\n\n${roomsCode}`,
};

/** The view; `room` is what the address says, else the one of the last visit. Another address is another room. */
export function ChatView({ room }: { readonly room: string }): VNode {
  const asked = [room, recall("chat-room", "visits")].find((name) => ROOM_NAME.test(name)) ?? FIRST_ROOM;
  return (
    <>
      <RoomView key={asked} room={asked} />
      <BothEnds browser={BROWSER} server={SERVER} />
    </>
  );
}

function RoomView({ room }: { readonly room: string }): VNode {
  const [stay, setStay] = useState<Stay>(OUTSIDE);
  const current = useRef<Room | undefined>(undefined);
  const { socket, standing } = useSocket(() => {
    const made = new Room(room, setStay);
    current.current = made;
    if (recall("chat-inside", "tab") === room) made.join(recall("chat-name", "tab"));
    return made.socket;
  });
  const enter = (wanted: string, name: string): void => {
    remember("chat-room", wanted, "visits");
    remember("chat-name", name, "visits");
    remember("chat-name", name, "tab");
    remember("chat-inside", wanted, "tab");
    if (wanted === room) current.current?.join(name);
    else location.hash = `#/chat/${wanted}`;
  };
  const leave = (): void => {
    remember("chat-inside", "", "tab");
    current.current?.leave();
  };

  const inside = stay.name !== undefined;
  return (
    <div class={inside ? "chat inside" : "chat"}>
      <section class="panel people" aria-labelledby="people">
        {inside ? <People room={room} stay={stay} leave={leave} /> : <Door room={room} stay={stay} enter={enter} />}
      </section>
      <section class="panel talk" aria-labelledby="talk">
        <h2 id="talk">{inside ? `In ${room}` : `Said in ${room}`}</h2>
        <StandingLine standing={standing} retry={() => socket.current?.reconnect()}>
          {stay.node === undefined ? "" : `This is node ${stay.node}.`}
        </StandingLine>
        <Talk lines={stay.lines} own={stay.name} />
        {inside && (
          <Compose problem={stay.problem} open={standing.state === "open"} say={(text) => current.current?.say(text)} />
        )}
      </section>
    </div>
  );
}

/** The name of the last visit, or one at hand; a second tab gets one that the first has not. */
function suggestion(members: readonly string[]): string {
  const known = recall("chat-name", "tab") || recall("chat-name", "visits") || "Guest";
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? known : `${known.slice(0, NAME_LIMIT - 4)} ${number}`;
    if (!members.includes(name)) return name;
  }
}

interface DoorProps {
  readonly room: string;
  readonly stay: Stay;
  readonly enter: (room: string, name: string) => void;
}

function Door({ room, stay, enter }: DoorProps): VNode {
  const [typed, setName] = useState<string | undefined>(undefined);
  const [wanted, setWanted] = useState(room);
  const name = typed ?? suggestion(stay.members);
  const submit = (event: Event): void => {
    event.preventDefault();
    enter(wanted, name);
  };
  return (
    <form onSubmit={submit}>
      <h2 id="people">Come in</h2>
      <p class="note">
        {stay.members.length === 0 ? "There is no one in the room yet." : `There now: ${stay.members.join(", ")}.`}
      </p>
      <label for="room">Room</label>
      <input
        id="room"
        required
        maxLength={32}
        pattern="[a-z0-9\-]+"
        autocapitalize="none"
        autocomplete="off"
        spellcheck={false}
        aria-describedby="room-rule"
        value={wanted}
        onInput={(event) => setWanted(event.currentTarget.value)}
      />
      <p class="note" id="room-rule">
        Small letters, digits and hyphens.
      </p>
      <label for="name">Your name</label>
      <input
        id="name"
        required
        maxLength={NAME_LIMIT}
        autocomplete="nickname"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={name.trim() === ""}>
          Join
        </button>
      </div>
      <p class="bad" role="alert">
        {stay.problem !== "" && `${stay.problem}.`}
      </p>
    </form>
  );
}

function People(props: { readonly room: string; readonly stay: Stay; readonly leave: () => void }): VNode {
  const { room, stay, leave } = props;
  return (
    <>
      <h2 id="people">
        <span data-fact="members">{stay.members.length}</span> in {room}
      </h2>
      <ul class="members">
        {stay.members.map((member) => (
          <li key={member}>
            {member}
            {member === stay.name && <span class="note"> (you)</span>}
          </li>
        ))}
      </ul>
      <div class="actions">
        <a class="button" href={`#/chat/${room}`} target="_blank" rel="noopener">
          Open a second tab
        </a>
        <button type="button" onClick={leave}>
          Leave
        </button>
      </div>
    </>
  );
}

interface TalkProps {
  readonly lines: readonly Line[];
  readonly own: string | undefined;
}

function Talk({ lines, own }: TalkProps): VNode {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = list.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  }, [lines]);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <div class="lines" role="log" aria-label="Messages" tabIndex={0} ref={list} hidden={lines.length === 0}>
        <ol>
          {lines.map((line) => (
            <li key={line.id} class={line.kind !== "said" ? line.kind : line.name === own ? "own" : ""}>
              {line.kind !== "said" ? (
                <span>{line.kind === "note" ? `${line.name} ${line.text}` : line.text}</span>
              ) : (
                <>
                  <strong>{line.name}</strong>
                  <span class="text">{line.text}</span>
                </>
              )}
              <time dateTime={new Date(line.at).toISOString()}>{clock(line.at)}</time>
            </li>
          ))}
        </ol>
      </div>
    </>
  );
}

interface ComposeProps {
  readonly problem: string;
  readonly open: boolean;
  readonly say: (text: string) => void;
}

function Compose({ problem, open, say }: ComposeProps): VNode {
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus({ preventScroll: true }), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (!open || text.trim() === "") return;
    say(text);
    setText("");
  };
  return (
    <form class="speak" onSubmit={submit}>
      <label for="say">Message</label>
      <div class="row">
        <input
          id="say"
          ref={input}
          maxLength={TEXT_LIMIT}
          autocomplete="off"
          aria-describedby="say-left"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="primary" disabled={!open || text.trim() === ""}>
          Send
        </button>
      </div>
      <p class="note" id="say-left">
        {TEXT_LIMIT - text.length} characters left
      </p>
      <p class="bad" role="alert">
        {problem !== "" && `${problem}.`}
      </p>
    </form>
  );
}
