"""What the routes do with files, as far as files are set up here."""

from datetime import UTC, datetime, timedelta

from control.files.links import Allows, Link, Links
from control.files.locations import Locations
from control.files.settings import FileSettings
from control.files.storage import Storage, open_storage
from control.files.uploads import Uploads
from shared.domain.error_codes import ConflictCode
from shared.domain.errors import ConflictError
from shared.domain.upkeep.files import File, FilePurpose, FileState, clean_name
from shared.store.pool import Database
from shared.store.upkeep import files


class Files:
    """Storage, links and rules.

    Args:
        db: where files are kept.
        settings: limits and rules.
        storage: where their content is; None if that is not set up.
        links: makes our URLs; None likewise.
    """

    def __init__(
        self, db: Database, settings: FileSettings, *, storage: Storage | None, links: Links | None
    ) -> None:
        self.locations = Locations(settings)
        self._db = db
        self._settings = settings
        self._storage = storage
        self._links = links

    def on(self, db: Database) -> "Files":
        """Return the same on the database of one request: it has the files which that one sees."""
        return Files(db, self._settings, storage=self._storage, links=self._links)

    @property
    def storage(self) -> Storage:
        """Where content stands.

        Raises:
            ConflictError: no storage is set up.
        """
        if self._storage is None:
            raise ConflictError(
                "no storage of files is set up here: set VOLTARO_FILES_DIRECTORY or "
                "VOLTARO_FILES_S3_BUCKET",
                code=ConflictCode.FILE_STORAGE_NOT_SET_UP,
            )
        return self._storage

    @property
    def links(self) -> Links:
        """Makes URLs.

        Raises:
            ConflictError: nobody has said under which address and with which key.
        """
        if self._links is None:
            raise ConflictError(
                "stations cannot be given URLs of ours: set VOLTARO_PUBLIC_URL and "
                "VOLTARO_FILES_SIGNING_KEY, or name a `location` elsewhere",
                code=ConflictCode.FILE_URLS_NOT_SET_UP,
            )
        return self._links

    @property
    def uploads(self) -> Uploads:
        """Takes what is uploaded."""
        return Uploads(self._db, self.storage, self._settings)

    def operator_link(self, file: File, *, name: str | None = None) -> Link | None:
        """Return where a person downloads a file, or None while that cannot be.

        Args:
            file: the file.
            name: under which it is saved, if that is better known elsewhere.
        """
        if file.state is not FileState.STORED or self._links is None:
            return None
        expires_at = datetime.now(UTC) + timedelta(seconds=self._settings.files_operator_link_s)
        saved_as = clean_name(name or file.name, otherwise=file.name)
        return self._links.make(Allows.DOWNLOAD, file.file_id, saved_as, expires_at)

    def firmware_link(self, file: File, *, retrieve_at: datetime) -> Link:
        """Return where a station downloads firmware.

        Raises:
            ConflictError: it is no firmware, its content is not there, or files are not set up.
        """
        if file.purpose is not FilePurpose.FIRMWARE or file.state is not FileState.STORED:
            raise ConflictError(
                f"file {file.file_id} is no firmware that is stored here",
                code=ConflictCode.FILE_NOT_FIRMWARE,
            )
        return self.links.make(
            Allows.DOWNLOAD, file.file_id, file.name, self._station_expiry(retrieve_at)
        )

    async def log_link(self, station_id: str, *, name: str) -> tuple[File, Link]:
        """Make room for a station's log, and return where it uploads it.

        Raises:
            ConflictError: files are not set up.
        """
        links, _ = self.links, self.storage
        expires_at = self._station_expiry(datetime.now(UTC))
        file = await files.create(
            self._db,
            purpose=FilePurpose.LOG,
            name=name,
            station_id=station_id,
            expires_at=expires_at,
        )
        return file, links.make(Allows.UPLOAD, file.file_id, name, expires_at)

    async def remove(self, file_id: str) -> None:
        """Remove a file's content for good.

        Raises:
            NotFoundError: there is no such file.
            UnavailableError: the storage is away; the worker removes it when it is back.
        """
        await files.expire(self._db, file_id)
        await remove_content(self._db, self.storage, file_id)

    def _station_expiry(self, begins_at: datetime) -> datetime:
        begin = max(begins_at, datetime.now(UTC))
        return begin + timedelta(seconds=self._settings.files_station_link_s)


def set_up_files(db: Database, settings: FileSettings) -> Files:
    """Return what is set up.

    Raises:
        UnavailableError: the directory cannot be used.
    """
    url, key = settings.public_url, settings.files_signing_key
    return Files(
        db,
        settings,
        storage=open_storage(settings),
        links=None if url is None or key is None else Links(url, key.get_secret_value()),
    )


async def remove_content(db: Database, storage: Storage, file_id: str) -> None:
    """Remove everything that stands in the storage for a file whose time is over.

    No content is added to it any more (`uploads.finish`).

    Raises:
        UnavailableError: the storage is away; saying it again goes on where it ended.
    """
    for key in await files.list_contents(db, file_id):
        await storage.delete(key)
    await files.mark_removed(db, file_id)
