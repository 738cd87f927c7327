import { z } from 'zod';
import type { ProjectWithContent } from '../../../domain/workspace/project.ts';
import { megabytes } from '../../../domain/workspace/storage.ts';
import { Timestamp, timestampText } from '../credits/contractAnswers.ts';

/** A project as the contract lists it. */
export const ProjectView = z
  .object({
    code: z.string().meta({ example: 'QW12ER' }),
    title: z.string(),
    content: z.string(),
    app_source: z.string().meta({ example: 'penora' }),
    project_type: z.string().meta({ example: 'text' }),
    created_at: Timestamp,
    file_size_mb: z.number(),
    size_mb: z.number(),
    size_bytes: z.int(),
    metadata: z.record(z.string(), z.unknown()),
    updated_at: Timestamp,
    word_count: z.int(),
  })
  .meta({ id: 'WorkspaceProject' });

export function projectView(project: ProjectWithContent): z.infer<typeof ProjectView> {
  return {
    code: project.code,
    title: project.title,
    content: project.content,
    app_source: project.app_source,
    project_type: project.project_type,
    created_at: timestampText(project.created_at),
    file_size_mb: megabytes(project.size_bytes),
    size_mb: megabytes(project.size_bytes),
    size_bytes: project.size_bytes,
    metadata: { ...project.metadata },
    updated_at: timestampText(project.updated_at),
    word_count: project.word_count,
  };
}
