/**
 * The feed by organization: an index that is filled a span of positions at a time. Kept up event by event it would dirty
 * a page for each organization in every commit, a quarter of what a commit costs; so the newest events, fewer than a span,
 * are looked through instead.
 */

/** Positions that are indexed together, when the last of them is written. */
export const SPAN = 1024

/** Indexes the span after ?1. */
export const INDEX_ORGANIZATIONS = `
  INSERT INTO events_of_organization
    SELECT org_id, category, position FROM events WHERE position > ?1 AND position <= ?1 + ${SPAN} ORDER BY 1, 2, 3`

/** Indexes all whole spans of a log that has none. */
export const INDEX_ALL_ORGANIZATIONS = `
  INSERT INTO events_of_organization
    SELECT org_id, category, position FROM events
    WHERE position <= (SELECT max(position) / ${SPAN} * ${SPAN} FROM events) ORDER BY 1, 2, 3`

/** Beyond the index, as many as that has left to find. */
const NEWEST = (also = "") => `
  SELECT position FROM indexed
  UNION ALL
  SELECT * FROM (
    SELECT position FROM events
    WHERE position > max(?1, (SELECT max(position) / ${SPAN} * ${SPAN} FROM events)) AND org_id = ?2 ${also}
    ORDER BY position LIMIT max(0, ?3 - (SELECT count(*) FROM indexed))
  )`

/** Positions after ?1 of events of organization ?2: the first ?3 are among them. */
export const OF_ORGANIZATION = `
  WITH RECURSIVE categories (name) AS (
    SELECT min(category) FROM events_of_organization WHERE org_id = ?2
    UNION ALL
    SELECT (SELECT min(category) FROM events_of_organization WHERE org_id = ?2 AND category > name)
    FROM categories WHERE name IS NOT NULL
  ),
  indexed (position) AS MATERIALIZED (
    SELECT one.position FROM categories CROSS JOIN events_of_organization AS one
      ON one.org_id = ?2 AND one.category = name AND one.position > ?1 AND one.position <= coalesce((
        SELECT position FROM events_of_organization
        WHERE org_id = ?2 AND category = name AND position > ?1 ORDER BY position LIMIT 1 OFFSET ?3 - 1
      ), ${Number.MAX_SAFE_INTEGER})
  )
  ${NEWEST()}`

/** Those of them that are of category ?4. */
export const OF_BOTH = `
  WITH indexed (position) AS MATERIALIZED (
    SELECT position FROM events_of_organization
    WHERE org_id = ?2 AND category = ?4 AND position > ?1 ORDER BY position LIMIT ?3
  )
  ${NEWEST("AND category = ?4")}`
