import { type ClientRequest, get, type IncomingMessage } from 'node:http';
import { waitFor } from './waitFor.ts';

/** Less than it takes until everything is read again for want of word. */
const LONGEST_WAIT_MILLISECONDS = 12_000;

export interface ReceivedEvent {
  readonly event: string;
  /** Empty where it has none. */
  readonly id: string;
  readonly data: string;
}

/** A reader of server-sent events that can stop reading without hanging up. */
export class EventSource {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly events: ReceivedEvent[] = [];
  /** Everything as it came. */
  text = '';
  ended = false;
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      this.text += text;
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = readEvent(block);
        if (event) this.events.push(event);
      }
    });
    response.on('error', () => undefined);
    response.on('close', () => {
      this.ended = true;
    });
  }

  static open(url: string, headers: Readonly<Record<string, string>>): Promise<EventSource> {
    return new Promise((resolve, reject) => {
      const request = get(url, { headers, agent: false }, (response) =>
        resolve(new EventSource(request, response)),
      );
      request.on('error', reject);
    });
  }

  /** Waits until this many events have come. */
  count(length: number): Promise<readonly ReceivedEvent[]> {
    return waitFor(`${length} events`, async () => (this.events.length >= length ? this.events : undefined));
  }

  /** Waits for the first event, past or to come, whose data is wanted. */
  data(wanted: (data: { credits: number; held: number }) => boolean): Promise<ReceivedEvent> {
    return waitFor(
      'the event',
      async () => this.events.find(({ data }) => wanted(JSON.parse(data))),
      LONGEST_WAIT_MILLISECONDS,
    );
  }

  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  close(): void {
    this.#request.destroy();
  }
}

function readEvent(block: string): ReceivedEvent | undefined {
  const fields = new Map(
    block.split('\n').map((line) => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)] as const;
    }),
  );
  const [event, id = '', data] = [fields.get('event'), fields.get('id'), fields.get('data')];
  return event === undefined || data === undefined ? undefined : { event, id, data };
}
