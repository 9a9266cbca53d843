"""How many containers stand in a stack: ground slots, tiers by shadow, intervals, change."""
