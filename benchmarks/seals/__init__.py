"""The five MuJoCo tasks of seals with the recipes of this repository."""
