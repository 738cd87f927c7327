import type { Route } from '../route.ts';
import { deleteProjectRoute } from './workspace/deleteProject.ts';
import type { WorkspaceRouteDependencies } from './workspace/dependencies.ts';
import { projectRoute } from './workspace/project.ts';
import { projectPagesRoute } from './workspace/projectPages.ts';
import { projectsRoute } from './workspace/projects.ts';
import { saveProjectRoute } from './workspace/saveProject.ts';
import { storageStatsRoute } from './workspace/storageStats.ts';
import { userProjectsRoute } from './workspace/userProjects.ts';

/** The workspace that several apps share: the contract's endpoints, and what stands beside them. */
export function workspaceRoutes(dependencies: WorkspaceRouteDependencies): readonly Route[] {
  return [
    saveProjectRoute(dependencies),
    userProjectsRoute(dependencies),
    projectsRoute(dependencies),
    projectRoute(dependencies),
    storageStatsRoute(dependencies),
    projectPagesRoute(dependencies),
    deleteProjectRoute(dependencies),
  ];
}
