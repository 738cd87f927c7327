import type { Document, Value } from '../../bson/values.ts';
import type { PipelineContext } from '../pipeline.ts';
import { basicStages } from './basic.ts';
import { bucketStages } from './buckets.ts';
import { groupStages } from './group.ts';
import { joinStages } from './joins.ts';
import { outputStages } from './output.ts';
import { transformStages } from './transforms.ts';
import { windowStages } from './windows.ts';

export type Stage = (documents: Iterable<Document>) => Iterable<Document>;

export type StageCompiler = (specification: Value, context: PipelineContext) => Stage;

export const stageCompilers: Readonly<Record<string, StageCompiler>> = {
  ...Object.fromEntries(
    Object.entries(transformStages).map(([name, compile]): [string, StageCompiler] => [
      name,
      (specification, context) => {
        const transform = compile(specification, context.variables);
        return function* (documents) {
          for (const document of documents) yield transform(document);
        };
      },
    ]),
  ),
  ...basicStages,
  ...groupStages,
  ...bucketStages,
  ...joinStages,
  ...windowStages,
  ...outputStages,
};
