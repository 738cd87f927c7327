import { ErrorCode, type FlowJob, FlowProducer, type JobState, type JobsOptions } from 'bullmq';
import type { Redis } from 'ioredis';
import type { IconBatch } from '../../domain/icons/batch.ts';
import type { IconImage } from '../../domain/icons/icon.ts';
import type { JobEnvelope, Payload } from '../../queues/defineQueue.ts';
import { iconBatchesQueue, iconsQueue } from '../../queues/icons.ts';
import { withRedis } from '../../runtime/outage.ts';
import { sendingForgottenScripts } from '../../runtime/redisScript.ts';
import { jobOptions } from '../jobOptions.ts';
import { connectionOptions, type OpenQueues, prefixOf } from '../queues.ts';

const IMAGE_JOB = 'generate-icon';
const ROUND_JOB = 'finish-batch';
const imageOptions = { ...jobOptions(iconsQueue, IMAGE_JOB), ignoreDependencyOnFailure: true };
const roundOptions = jobOptions(iconBatchesQueue, ROUND_JOB);

type Round = Pick<IconBatch, 'batch_id' | 'round'>;
type Image = Pick<IconImage, 'image_id' | 'batch_id' | 'asked_at'>;

/**
 * The jobs of icons. A round of a batch is a flow: its parent waits for the images. Only as many images as may run at a time
 * are queued with it; each adds the next one to the flow before it ends, so the parent waits until the last.
 */
export class IconJobs {
  readonly #redis: Redis;
  readonly #flows: FlowProducer;
  readonly #queues: OpenQueues;

  /** @param prefix - of the installation */
  constructor(redis: Redis, prefix: string, queues: OpenQueues) {
    this.#redis = redis;
    this.#flows = new FlowProducer({
      ...connectionOptions(redis),
      prefix: prefixOf(prefix, iconBatchesQueue),
    });
    // Failed commands reject where they are awaited, and the connection logs its own outages.
    this.#flows.on('error', () => undefined);
    this.#queues = queues;
  }

  /**
   * Queues a round with its first images. A round that has its parent gets no second one.
   *
   * @throws ServiceUnavailableError when Redis is away; the sweep queues the round then
   */
  async startRound(round: Round, images: readonly Image[], requestIds: readonly string[]): Promise<void> {
    const payload: Payload<typeof iconBatchesQueue, typeof ROUND_JOB> = {
      batch_id: round.batch_id,
      round: round.round,
    };
    const flow: FlowJob = {
      name: ROUND_JOB,
      queueName: iconBatchesQueue.name,
      data: { payload, request_ids: requestIds } satisfies JobEnvelope,
      opts: { ...roundOptions, jobId: roundJobId(round) },
      children: images.map((image) => ({
        name: IMAGE_JOB,
        queueName: iconsQueue.name,
        data: imageData(image, roundJobId(round), requestIds),
        opts: { ...imageOptions, jobId: imageJobId(image) },
      })),
    };
    await withRedis(() => sendingForgottenScripts(this.#redis, () => this.#flows.add(flow)));
  }

  /**
   * Adds the next image to a flow whose parent waits. Without a parent, whose job is lost, it is queued by itself.
   *
   * @throws ServiceUnavailableError when Redis is away
   */
  async joinRound(image: Image, roundJob: string, requestIds: readonly string[]): Promise<void> {
    const queue = this.#queues.of(iconsQueue);
    const parent = { id: roundJob, queue: this.#queues.of(iconBatchesQueue).qualifiedName };
    await withRedis(async () => {
      try {
        await queue.add(IMAGE_JOB, imageData(image, roundJob, requestIds), {
          ...imageOptions,
          jobId: imageJobId(image),
          parent,
        });
      } catch (error) {
        if (!isMissingParent(error)) throw error;
        await queue.add(IMAGE_JOB, imageData(image, undefined, requestIds), alone(image));
      }
    });
  }

  /**
   * Queues images by themselves: nobody's flow waits for them. One whose job is there gets no second one.
   *
   * @throws ServiceUnavailableError when Redis is away
   */
  async start(images: readonly Image[], requestIds: readonly string[]): Promise<void> {
    await withRedis(() =>
      this.#queues.of(iconsQueue).addBulk(
        images.map((image) => ({
          name: IMAGE_JOB,
          data: imageData(image, undefined, requestIds),
          opts: alone(image),
        })),
      ),
    );
  }

  /**
   * Which of the images have a job that broke for good. Adding it again does nothing while it is kept as a dead letter.
   *
   * @throws ServiceUnavailableError when Redis is away
   */
  async withDeadJob(images: readonly IconImage[]): Promise<IconImage[]> {
    return this.#withJob('failed', images);
  }

  /**
   * Which of the images have a job that a worker has yet to take.
   *
   * @throws ServiceUnavailableError when Redis is away
   */
  async inLine(images: readonly IconImage[]): Promise<IconImage[]> {
    return this.#withJob('waiting', images);
  }

  async #withJob(state: JobState, images: readonly IconImage[]): Promise<IconImage[]> {
    const queue = this.#queues.of(iconsQueue);
    const states = await withRedis(() =>
      Promise.all(images.map((image) => queue.getJobState(imageJobId(image)))),
    );
    return images.filter((_, index) => states[index] === state);
  }
}

/** The id of a round's job. */
export function roundJobId({ batch_id, round }: Round): string {
  return `finish-${batch_id}-${round}`;
}

/** An image that is asked for again needs another job: the one of the round before may still be there, as a dead letter. */
export function imageJobId(image: Image): string {
  return image.batch_id === null ? image.image_id : `${image.image_id}-${image.asked_at}`;
}

function alone(image: Image): JobsOptions {
  return { ...jobOptions(iconsQueue, IMAGE_JOB), jobId: imageJobId(image) };
}

function imageData(
  image: Image,
  roundJob: string | undefined,
  requestIds: readonly string[],
): JobEnvelope<Payload<typeof iconsQueue, typeof IMAGE_JOB>> {
  return {
    payload: { image_id: image.image_id, ...(roundJob === undefined ? {} : { round_job: roundJob }) },
    request_ids: requestIds,
  };
}

function isMissingParent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === ErrorCode.ParentJobNotExist;
}
