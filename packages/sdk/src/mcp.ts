export { guardMcp, mcpVerifier } from './guard/mcp.ts'
export type { McpAuthInfo, McpVerifier } from './guard/mcp.ts'
export { createResourceMetadata } from './guard/resource-metadata.ts'
export type { ResourceMetadata, ResourceMetadataOptions } from './guard/resource-metadata.ts'
