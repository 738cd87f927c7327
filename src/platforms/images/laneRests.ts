import type { Redis } from 'ioredis';
import { withRedis } from '../../runtime/outage.ts';
import { SUPPORTED_MODELS, type SupportedModel } from './openaiModels.ts';
import { pauseKeyOf } from './rateLane.ts';

/** How long lanes still rest because the provider asked for it, by model; milliseconds. */
export type Rests = ReadonlyMap<SupportedModel, number>;

/**
 * The rests of all lanes of an installation, for those who look at them from outside, whatever model its workers have. Every
 * method throws ServiceUnavailableError when Redis is away.
 */
export class LaneRests {
  readonly #redis: Redis;
  readonly #prefix: string;

  /** @param prefix - of the installation */
  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** Of every model; 0 where nothing rests. */
  async read(): Promise<Rests> {
    const left = SUPPORTED_MODELS.map(async (model) => {
      // Negative when there is none.
      const milliseconds = await withRedis(() => this.#redis.pttl(this.#keyOf(model)));
      return [model, Math.max(0, milliseconds)] as const;
    });
    return new Map(await Promise.all(left));
  }

  /** Lets every lane go on at once. @returns how long those that rested would have gone on to */
  async end(): Promise<Rests> {
    const resting = [...(await this.read())].filter(([, milliseconds]) => milliseconds > 0);
    for (const [model] of resting) await withRedis(() => this.#redis.del(this.#keyOf(model)));
    return new Map(resting);
  }

  #keyOf(model: SupportedModel): string {
    return pauseKeyOf(this.#prefix, model);
  }
}
