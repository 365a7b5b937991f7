"""Shared documents over real sockets, with the real store."""
