"""PromotionWorkflow: the story of one change, from merge to its final environment."""
