/**
 * The chat view: a room's address, a name, and the talk. Everything people write is put on the page as text.
 */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { NAME_LIMIT, ROOM_NAME, TEXT_LIMIT } from "../../server/messages.ts";
import { clock } from "../parts/format.ts";
import type { Line, Stay } from "./room.ts";
import { OUTSIDE, Room } from "./room.ts";

const FIRST_ROOM = "lobby";

/** The view; `room` is what the address says. Another address is another room, entered under the same name. */
export function ChatView({ room }: { readonly room: string }): VNode {
  const asked = ROOM_NAME.test(room) ? room : FIRST_ROOM;
  const carried = useRef("");
  const goTo = (next: string, name: string): void => {
    carried.current = name;
    location.hash = `#/chat/${next}`;
  };
  return <RoomView key={asked} room={asked} carried={carried} goTo={goTo} />;
}

interface RoomViewProps {
  readonly room: string;
  readonly carried: { current: string };
  readonly goTo: (room: string, name: string) => void;
}

function RoomView({ room, carried, goTo }: RoomViewProps): VNode {
  const [stay, setStay] = useState<Stay>(OUTSIDE);
  const current = useRef<Room | undefined>(undefined);
  const enter = (name: string): void => {
    current.current?.leave();
    setStay(OUTSIDE);
    current.current = new Room(room, name, setStay);
  };
  const leave = (): void => {
    current.current?.leave();
    current.current = undefined;
    setStay(OUTSIDE);
  };
  useEffect(() => {
    if (carried.current !== "") enter(carried.current);
    carried.current = "";
    return () => current.current?.leave();
  }, []);

  const inside = stay.name !== undefined;
  return (
    <div class="chat">
      <section class="panel people" aria-labelledby="people">
        {inside ? (
          <People room={room} stay={stay} leave={leave} />
        ) : (
          <Door room={room} problem={stay.problem} enter={enter} goTo={goTo} />
        )}
      </section>
      <section class="panel talk" aria-labelledby="talk">
        <h2 id="talk">{inside ? `In ${room}` : "The talk"}</h2>
        <Talk lines={stay.lines} own={stay.name} inside={inside} />
        {inside && <Compose problem={stay.problem} say={(text) => current.current?.say(text)} />}
      </section>
    </div>
  );
}

interface DoorProps {
  readonly room: string;
  readonly problem: string;
  readonly enter: (name: string) => void;
  readonly goTo: (room: string, name: string) => void;
}

function Door({ room, problem, enter, goTo }: DoorProps): VNode {
  const [name, setName] = useState("");
  const [wanted, setWanted] = useState(room);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (wanted === room) enter(name);
    else goTo(wanted, name);
  };
  return (
    <form onSubmit={submit}>
      <h2 id="people">Come in</h2>
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
        Small letters, digits and hyphens. A room is there as long as someone is in it.
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
        {problem !== "" && `${problem}.`}
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
  readonly inside: boolean;
}

function Talk({ lines, own, inside }: TalkProps): VNode {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = list.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  }, [lines]);
  return (
    <>
      {lines.length === 0 && (
        <p class="note empty">{inside ? "Nobody has said anything yet." : "Join a room to hear what is said in it."}</p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <div class="lines" role="log" aria-label="Messages" tabIndex={0} ref={list} hidden={lines.length === 0}>
        <ol>
          {lines.map((line) => (
            <li key={line.id} class={line.kind === "note" ? "note" : line.name === own ? "own" : ""}>
              {line.kind === "note" ? (
                <span>
                  {line.name} {line.text}
                </span>
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

function Compose({ problem, say }: { readonly problem: string; readonly say: (text: string) => void }): VNode {
  const [text, setText] = useState("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (text.trim() === "") return;
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
        <button type="submit" class="primary" disabled={text.trim() === ""}>
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
