"""Speech in, a whole moving person out: SMPL-X motion by the EMAGE method."""

__version__ = "0.1.0"
