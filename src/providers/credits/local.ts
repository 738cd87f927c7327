import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Hold, LedgerCommand, LedgerOutcome, LedgerRefusal } from '../../domain/credits/ledger.ts';
import {
  type CaptureOutcome,
  type CaptureRequest,
  type CreditsProvider,
  ReferenceReusedError,
  type ReleaseOutcome,
  type ReleaseRequest,
  type ReserveOutcome,
  type ReserveRequest,
} from '../../domain/credits/provider.ts';
import type { Ledger } from '../../models/ledger.ts';
import { callId } from './callId.ts';

const reserveOutcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('reserved'), reservation_id: z.string() }),
  z.object({ kind: z.literal('insufficient') }),
  z.object({ kind: z.literal('unknown-user') }),
]);
const captureOutcome = z.object({
  kind: z.enum(['captured', 'not-open', 'more-than-reserved', 'unknown-reservation']),
});
const releaseOutcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('released'), returned: z.int() }),
  z.object({ kind: z.literal('not-open') }),
  z.object({ kind: z.literal('unknown-reservation') }),
]);

/** What the ledger's refusals are called here. */
type Refusals<Outcome> = Readonly<Partial<Record<LedgerRefusal, Outcome>>>;

const RESERVE_REFUSALS: Refusals<ReserveOutcome> = {
  'insufficient-credits': { kind: 'insufficient' },
  'unknown-user': { kind: 'unknown-user' },
};
const RELEASE_REFUSALS: Refusals<ReleaseOutcome & CaptureOutcome> = {
  'hold-not-open': { kind: 'not-open' },
  'unknown-hold': { kind: 'unknown-reservation' },
};
const CAPTURE_REFUSALS: Refusals<CaptureOutcome> = {
  ...RELEASE_REFUSALS,
  'more-than-held': { kind: 'more-than-reserved' },
};

/** The ledger refuses what no caller of the provider may ask for: a defect. */
export class UnexpectedRefusalError extends Error {
  override name = 'UnexpectedRefusalError';

  constructor(command: LedgerCommand['kind'], reason: LedgerRefusal) {
    super(`The ledger refuses a ${command}: ${reason}`);
  }
}

/** Credits in the ledger of this system: a reservation is a hold. */
export class LocalCredits implements CreditsProvider {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  reservationIdOf(reference: string): string {
    return callId('reserve', reference);
  }

  async reserve(request: ReserveRequest): Promise<ReserveOutcome> {
    const { user_id, amount, app_name, description } = request;
    const command = {
      kind: 'hold',
      hold_id: this.reservationIdOf(request.reference),
      user_id,
      amount,
      app_name,
      description,
      expires_at: Date.now() + request.expires_in_milliseconds,
    } as const;
    const reserved = { kind: 'reserved', reservation_id: command.hold_id } as const;
    return this.#once('reserve', request, command, () => reserved, RESERVE_REFUSALS, reserveOutcome);
  }

  async capture(request: CaptureRequest): Promise<CaptureOutcome> {
    const { reservation_id: hold_id, amount, description, project_code } = request;
    const command = { kind: 'capture', hold_id, amount, final: false, description, project_code } as const;
    const captured = { kind: 'captured' } as const;
    return this.#once('capture', request, command, () => captured, CAPTURE_REFUSALS, captureOutcome);
  }

  async release(request: ReleaseRequest): Promise<ReleaseOutcome> {
    const command = { kind: 'release', hold_id: request.reservation_id } as const;
    return this.#once('release', request, command, released, RELEASE_REFUSALS, releaseOutcome);
  }

  /** The ledger keeps the answer as JSON text, together with the effect, for the repeats. */
  async #once<Outcome>(
    call: 'reserve' | 'capture' | 'release',
    request: ReserveRequest | CaptureRequest | ReleaseRequest,
    command: LedgerCommand,
    onDone: (hold: Hold | undefined) => Outcome,
    refusals: Refusals<Outcome>,
    stored: z.ZodType<Outcome>,
  ): Promise<Outcome> {
    const answer = await this.#ledger.executeOnce(command, {
      id: digest(`credits-provider ${call}`, request.reference),
      fingerprint: digest(...fieldsOf(request)),
      reply: (outcome: LedgerOutcome) => {
        const own = outcome.kind === 'done' ? onDone(outcome.hold) : refusals[outcome.reason];
        if (outcome.kind === 'refused' && own === undefined) {
          throw new UnexpectedRefusalError(command.kind, outcome.reason);
        }
        return { status: 200, body: JSON.stringify(own) };
      },
    });
    if (answer.kind === 'other-request') throw new ReferenceReusedError(request.reference);
    return stored.parse(JSON.parse(answer.reply.body));
  }
}

function released(hold: Hold | undefined): ReleaseOutcome {
  return { kind: 'released', returned: hold ? hold.amount - hold.captured : 0 };
}

/** The request's fields, whatever the order in which they were written. */
function fieldsOf(request: object): string[] {
  return Object.entries(request)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map((field) => JSON.stringify(field));
}

function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex');
}
